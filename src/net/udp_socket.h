#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "net/server.h"
#include "net/socket.h"

namespace shardmill::net {

/// An address that datagrams are received on: a socket for every reactor, between which the kernel
/// spreads the clients.
struct UdpSockets {
    std::vector<FileDescriptor> sockets;
    BoundAddress address;
};

/// Opens everything `config.udp` asks for. On failure the text says what is wrong and what to do;
/// nothing stays open. May look up names: not on a reactor.
std::expected<std::vector<UdpSockets>, std::string> open_udp(const ServerConfig& config);

}  // namespace shardmill::net
