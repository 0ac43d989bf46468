#include "config/listen_address.h"

#include <algorithm>

#include "base/number.h"

namespace shardmill::config {
namespace {

constexpr std::size_t kTagMax = 8;

using Problem = std::unexpected<std::string>;

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

void take_security(std::string_view& text, ListenAddress& address) {
    if (take_prefix(text, "notls:")) {
        address.security = ListenSecurity::None;
    } else if (take_prefix(text, "btls:")) {
        address.security = ListenSecurity::Tls;
    } else if (take_prefix(text, "mtls:")) {
        address.security = ListenSecurity::Mutual;
    }
}

/// memcached takes the beginning of a name for the name.
bool abbreviates(std::string_view text, std::string_view name) {
    return !text.empty() && name.starts_with(text);
}

std::expected<void, std::string> take_protocol(std::string_view& text, ListenAddress& address) {
    if (!take_prefix(text, "proto[")) return {};
    const auto end = text.find("]:");
    if (end == std::string_view::npos) return Problem("']:' is missing behind proto[");
    const std::string_view name = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (abbreviates(name, "ascii")) {
        address.protocol = WireProtocol::Text;
    } else if (abbreviates(name, "binary")) {
        address.protocol = WireProtocol::Binary;
    } else if (abbreviates(name, "negotiating")) {
        address.protocol = WireProtocol::Auto;
    } else if (abbreviates(name, "proxy")) {
        return Problem("there is no proxy in this server");
    } else {
        return Problem("the protocol must be ascii, binary or negotiating");
    }
    return {};
}

std::expected<void, std::string> take_tag(std::string_view& text, ListenAddress& address) {
    const bool brackets = take_prefix(text, "tag[");
    if (!brackets && !take_prefix(text, "tag_")) return {};
    const std::string_view close = brackets ? "]:" : "_:";
    const auto end = text.find(close);
    if (end == std::string_view::npos) return Problem("the end of the tag is missing");
    if (end == 0 || end > kTagMax) return Problem("a tag has 1 to 8 characters");
    address.tag = text.substr(0, end);
    text.remove_prefix(end + close.size());
    return {};
}

std::expected<void, std::string> take_port(std::string_view text, ListenAddress& address) {
    const auto number = base::parse_number<int>(text);
    if (!number || *number < -1 || *number > 65535) {
        return Problem("the port must be from 1 to 65535, or 0 for a free one");
    }
    address.port = *number == 0 ? -1 : *number;
    return {};
}

std::expected<void, std::string> take_host(std::string_view text, ListenAddress& address) {
    const auto close = text.starts_with('[') ? text.find(']') : 0;
    if (close == std::string_view::npos) return Problem("the ']' is missing");
    // Several colons without brackets: an IPv6 address without a port.
    const bool bare = close == 0 && std::ranges::count(text, ':') > 1;
    const auto colon = bare ? std::string_view::npos : text.find(':', close);
    const std::string_view host = text.substr(0, colon);
    if (close != 0 && close + 1 != host.size()) return Problem("only ':<port>' may follow ']'");
    address.host = close == 0 ? host : host.substr(1, close - 1);
    if (address.host == "*") address.host.clear();
    if (colon == std::string_view::npos) return {};
    return take_port(text.substr(colon + 1), address);
}

}  // namespace

std::expected<ListenAddress, std::string> parse_listen_address(std::string_view text,
                                                               const ListenAddress& defaults) {
    ListenAddress address = defaults;
    take_security(text, address);
    for (const auto take : {take_protocol, take_tag}) {
        if (auto taken = take(text, address); !taken) return Problem(std::move(taken.error()));
    }
    if (auto taken = take_host(text, address); !taken) return Problem(std::move(taken.error()));
    return address;
}

}  // namespace shardmill::config
