#include "net/udp_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "net/resolve.h"

namespace shardmill::net {
namespace {

/// As much as the system lets us have, so that a burst of requests or a long reply fits.
constexpr int kSocketBufferBytes = 4 << 20;

void share_port(int socket) noexcept {
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

std::expected<FileDescriptor, int> open_bound(sockaddr_storage& address, socklen_t bytes,
                                              bool shared) {
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const int on = 1;
    FileDescriptor socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return std::unexpected(errno);
    if (address.ss_family == AF_INET6) {
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    for (const int buffer : {SO_RCVBUF, SO_SNDBUF}) {
        ::setsockopt(socket.get(), SOL_SOCKET, buffer, &kSocketBufferBytes,
                     sizeof(kSocketBufferBytes));
    }
    if (shared) share_port(socket.get());
    if (::bind(socket.get(), generic, bytes) != 0 ||
        ::getsockname(socket.get(), generic, &bytes) != 0) {
        return std::unexpected(errno);
    }
    return socket;
}

std::expected<UdpSockets, OpenError> open_address(sockaddr_storage address, socklen_t bytes,
                                                  std::uint32_t reactors) {
    const std::string where = describe(address, bytes);
    UdpSockets opened;
    while (opened.sockets.size() < reactors) {
        // The first one must have the port to itself, so that nobody's is taken by mistake.
        auto socket = open_bound(address, bytes, !opened.sockets.empty());
        if (!socket) return open_error(socket.error(), "UDP " + where, "-U");
        if (opened.sockets.empty()) share_port(socket->get());
        opened.sockets.push_back(std::move(*socket));
    }
    const bool is_ipv6 = address.ss_family == AF_INET6;
    opened.address = {.kind = is_ipv6 ? BoundAddress::Kind::Udp6 : BoundAddress::Kind::Udp4,
                      .port = port_of(address),
                      .address = host_of(address, bytes),
                      .socket = opened.sockets.front().get()};
    return opened;
}

}  // namespace

std::expected<std::vector<UdpSockets>, std::string> open_udp(const ServerConfig& config) {
    std::vector<UdpSockets> all;
    for (const ListenAddress& wanted : config.udp) {
        auto opened = open_host(wanted.host, wanted.port, SOCK_DGRAM,
                                [&](const sockaddr_storage& address, socklen_t bytes) {
                                    return open_address(address, bytes, config.reactors);
                                });
        if (!opened) return std::unexpected(opened.error());
        for (UdpSockets& sockets : *opened) sockets.address.dialect = wanted.dialect;
        std::ranges::move(*opened, std::back_inserter(all));
    }
    return all;
}

}  // namespace shardmill::net
