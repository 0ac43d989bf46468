#include "config/option_values.h"

namespace shardmill::config {
namespace {

Applied set_port(Draft& draft, std::string_view text) {
    const auto port = parse_leading_integer(text);
    constexpr const char* kAllowed =
        "give a port from 1 to 65535, 0 for no TCP, or -1 for a free port";
    if (!port || port->value > 65535) return refuse(kExitUsage, kAllowed);
    if (port->value < -1) return refuse(kExitOs, kAllowed);
    if (!port->whole) draft.read_as = fmt::format("{}", port->value);
    draft.config.tcp_port = static_cast<int>(port->value);
    draft.tcp_port_given = true;
    return {};
}

Applied set_udp_port(Draft& draft, std::string_view text) {
    draft.udp_port_given = true;
    return take_leading(draft, text, -1, 65535, draft.config.udp_port, kExitUsage);
}

Applied set_unix_mask(Draft& draft, std::string_view text) {
    const auto mask = parse_mask(text);
    if (!mask) return refuse(kExitFailure, "give access bits in octal, 0 to 777");
    draft.config.unix_mask = *mask;
    return {};
}

Applied add_listen(Draft& draft, std::string_view text) {
    if (text.empty()) return refuse(kExitFailure, "give <address>, <address>:<port> or *");
    draft.listen.emplace_back(text);
    return {};
}

Applied set_protocol(Draft& draft, std::string_view text) {
    WireProtocol& protocol = draft.config.protocol;
    if (text == "auto") {
        protocol = WireProtocol::Auto;
    } else if (text == "ascii") {
        protocol = WireProtocol::Text;
    } else if (text == "binary") {
        protocol = WireProtocol::Binary;
    } else {
        return refuse(kExitUsage, "give auto, ascii or binary");
    }
    draft.protocol_given = true;
    return {};
}

constexpr OptionSpec kOptions[] = {
    {'p', "port", "num", "TCP port to listen on (default: 11211; 0: none; -1: a free one)",
     set_port},
    {'U', "udp-port", "num",
     "UDP port to listen on (default: 0, off)\nwithout -p also the TCP port", set_udp_port},
    {'s', "unix-socket", "file", "UNIX socket to listen on (disables network support)",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.unix_socket); }},
    {'a', "unix-mask", "mask", "access mask for UNIX socket, in octal (default: 700)",
     set_unix_mask},
    {'l', "listen", "addr",
     "interface to listen on (default: all)\n"
     "<host>, <host>:<port>, [<ipv6>]:<port> or *; several with commas\n"
     "or by repeating the option. In front of each, in this order:\n"
     "notls: btls: mtls:   with -Z: without TLS, with, with client certificates\n"
     "proto[<name>]:       ascii, binary or negotiating, instead of -B\n"
     "tag[<name>]:         a name of up to 8 characters; or tag_<name>_:",
     add_listen},
    {'B', "protocol", "name",
     "protocol - one of ascii, binary, or auto (default: auto,\nthe first byte of a connection "
     "decides)",
     set_protocol},
    {'c', "conn-limit", "num", "max simultaneous connections (default: 1024)",
     [](Draft& d, std::string_view v) {
         return take_leading(d, v, 1, 16 << 20, d.config.max_connections);
     }},
    {'b', "listen-backlog", "num", "set the backlog queue limit (default: 1024)",
     [](Draft& d, std::string_view v) {
         return take_leading(d, v, INT32_MIN, INT32_MAX, d.config.listen_backlog);
     }},
    {'R', "max-reqs-per-event", "num",
     "requests of one connection before it is others' turn (default: 20)",
     [](Draft& d, std::string_view v) {
         return take_leading(d, v, 1, INT32_MAX, d.config.requests_per_event);
     }},
};

}  // namespace

std::span<const OptionSpec> listening_options() { return kOptions; }

}  // namespace shardmill::config
