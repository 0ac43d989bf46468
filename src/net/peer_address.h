#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace shardmill::net {

/// An end of a connection, small enough to be kept with each.
struct PeerAddress {
    enum class Kind : std::uint8_t { Local, Tcp4, Tcp6 };  // Local: a UNIX socket, or unknown
    Kind kind = Kind::Local;
    std::uint16_t port = 0;                // of TCP
    std::array<std::uint8_t, 16> bytes{};  // of TCP, in network order; IPv4 has the first four

    /// Asks the kernel, which knows it for as long as the socket is connected.
    static PeerAddress of(int socket) noexcept;
    /// This end of it.
    static PeerAddress local_of(int socket) noexcept;

    /// "192.0.2.1", "2001:db8::1", or empty for Local.
    std::string host() const;
};

static_assert(sizeof(PeerAddress) <= 20, "kept with each connection");

}  // namespace shardmill::net
