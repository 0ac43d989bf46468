#include "protocol/text_number.h"

#include <limits>

#include "base/number.h"

namespace shardmill::protocol {
namespace {

constexpr std::size_t kMaxText32 = 11;
constexpr std::size_t kMaxText64 = 22;

/// Digits that cannot overflow 64 bits (at most 19).
std::optional<std::uint64_t> parse_digits(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    for (const char c : digits) {
        const auto digit = static_cast<unsigned char>(c - '0');
        if (digit > 9) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

constexpr bool is_white(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// What strtoul and strtol have in common.
struct CNumber {
    std::uint64_t magnitude;
    bool negative;
};

std::optional<CNumber> parse_c_number(std::string_view token) noexcept {
    while (!token.empty() && is_white(token.front())) token.remove_prefix(1);
    CNumber number{0, false};
    if (!token.empty() && (token.front() == '-' || token.front() == '+')) {
        number.negative = token.front() == '-';
        token.remove_prefix(1);
    }
    std::size_t digits = 0;
    for (; digits != token.size() && !is_white(token[digits]); ++digits) {
        const auto digit = static_cast<unsigned char>(token[digits] - '0');
        if (digit > 9) return std::nullopt;
        if (__builtin_mul_overflow(number.magnitude, std::uint64_t{10}, &number.magnitude) ||
            __builtin_add_overflow(number.magnitude, std::uint64_t{digit}, &number.magnitude)) {
            return std::nullopt;
        }
    }
    if (digits == 0) return std::nullopt;
    return number;
}

}  // namespace

std::optional<std::uint32_t> parse_u32(std::string_view token) noexcept {
    if (token.empty() || token.size() > kMaxText32) return std::nullopt;
    const auto value = parse_digits(token);
    if (!value || *value > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return static_cast<std::uint32_t>(*value);
}

std::optional<std::uint64_t> parse_u64(std::string_view token) noexcept {
    if (token.empty() || token.size() > kMaxText64) return std::nullopt;
    if (token.size() < 20) return parse_digits(token);
    return base::parse_number<std::uint64_t>(token);
}

std::optional<std::int32_t> parse_i32(std::string_view token) noexcept {
    if (token.empty() || token.size() > kMaxText32) return std::nullopt;
    const bool negative = token.front() == '-';
    const auto magnitude = parse_digits(token.substr(negative ? 1 : 0));
    const std::uint64_t limit =
        std::uint64_t{std::numeric_limits<std::int32_t>::max()} + (negative ? 1 : 0);
    if (!magnitude || *magnitude > limit) return std::nullopt;
    const auto value = static_cast<std::int64_t>(*magnitude);
    return static_cast<std::int32_t>(negative ? -value : value);
}

std::optional<std::uint32_t> parse_storage_flags(std::string_view token) noexcept {
    const auto number = parse_c_number(token);
    if (!number) return std::nullopt;
    // strtoul wraps a negative number round; only a result that still looks negative gives it away.
    const std::uint64_t value = number->negative ? -number->magnitude : number->magnitude;
    if (number->negative && static_cast<std::int64_t>(value) < 0) return std::nullopt;
    return static_cast<std::uint32_t>(value);
}

std::optional<std::int32_t> parse_storage_exptime(std::string_view token) noexcept {
    const auto number = parse_c_number(token);
    if (!number) return std::nullopt;
    const std::uint64_t limit =
        std::uint64_t{std::numeric_limits<std::int64_t>::max()} + (number->negative ? 1 : 0);
    if (number->magnitude > limit) return std::nullopt;
    const std::uint64_t value = number->negative ? -number->magnitude : number->magnitude;
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
}

}  // namespace shardmill::protocol
