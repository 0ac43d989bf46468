#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>

namespace shardmill::admin {

/// A port that is listened on.
struct BoundPort {
    const char* kind;  // "TCP INET", "TCP INET6", "UDP INET", "UDP INET6"
    std::uint16_t port;
};

/// Writes a line "<kind>: <port>" for each port, as memcached does for whoever started it with a
/// free port and wants to know which. Written as `path`.lck and renamed: who sees the file sees all
/// of it. Main thread; blocks. Unexpected: why it is not there.
std::expected<void, std::string> write_port_file(const std::string& path,
                                                 std::span<const BoundPort> ports);

}  // namespace shardmill::admin
