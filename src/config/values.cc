#include "config/values.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/number.h"

namespace shardmill::config {

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    unsigned shift = 0;
    if (!text.empty()) {
        switch (text.back()) {
            case 'k':
            case 'K':
                shift = 10;
                break;
            case 'm':
            case 'M':
                shift = 20;
                break;
            case 'g':
            case 'G':
                shift = 30;
                break;
            default:
                break;
        }
        if (shift != 0) text.remove_suffix(1);
    }
    const auto number = base::parse_number<std::uint64_t>(text);
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (!number || *number > kMax >> shift) return std::nullopt;
    return *number << shift;
}

std::optional<std::uint32_t> parse_mask(std::string_view text) {
    std::uint32_t mask = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mask, 8);
    if (error != std::errc{} || end != text.data() + text.size() || mask > 0777)
        return std::nullopt;
    return mask;
}

namespace {

template <typename Number>
std::optional<LeadingNumber<Number>> parse_leading(std::string_view text) {
    // A plus is C's, not from_chars'; a sign behind it is neither's.
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) return std::nullopt;
    }
    LeadingNumber<Number> number;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number.value);
    if (error != std::errc{}) return std::nullopt;
    number.whole = end == last;
    return number;
}

}  // namespace

std::optional<LeadingNumber<std::int64_t>> parse_leading_integer(std::string_view text) {
    return parse_leading<std::int64_t>(text);
}

std::optional<LeadingNumber<double>> parse_leading_fraction(std::string_view text) {
    const auto number = parse_leading<double>(text);
    return number && std::isfinite(number->value) ? number : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const auto end = text.find_first_of(separators);
        if (end != 0) parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return parts;
}

}  // namespace shardmill::config
