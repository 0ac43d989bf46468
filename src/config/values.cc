#include "config/values.h"

#include <algorithm>
#include <charconv>
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

std::expected<ListenAddress, std::string> parse_listen_address(std::string_view text,
                                                               int default_port) {
    ListenAddress address{.host = {}, .port = default_port};
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return std::unexpected("the ']' is missing");
        address.host = text.substr(1, close - 1);
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest[0] != ':')
            return std::unexpected("only ':<port>' may follow ']'");
        has_port = !rest.empty();
        if (has_port) port = rest.substr(1);
    } else if (std::ranges::count(text, ':') == 1) {
        const auto colon = text.find(':');
        address.host = text.substr(0, colon);
        port = text.substr(colon + 1);
        has_port = true;
    } else {
        address.host = text;  // a name, an IPv4 address, or an IPv6 address without brackets
    }
    if (address.host == "*") address.host.clear();
    if (has_port) {
        const auto number = base::parse_number<std::uint16_t>(port);
        if (!number || *number == 0) return std::unexpected("the port must be from 1 to 65535");
        address.port = *number;
    }
    return address;
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
