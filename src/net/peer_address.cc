#include "net/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace shardmill::net {
namespace {

PeerAddress ask(int socket, decltype(&::getpeername) end) noexcept {
    using Kind = PeerAddress::Kind;
    PeerAddress peer;
    sockaddr_storage storage{};
    socklen_t bytes = sizeof(storage);
    if (end(socket, reinterpret_cast<sockaddr*>(&storage), &bytes) != 0) return peer;
    if (storage.ss_family == AF_INET) {
        const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
        peer.kind = Kind::Tcp4;
        peer.port = ntohs(address.sin_port);
        std::memcpy(peer.bytes.data(), &address.sin_addr, sizeof(address.sin_addr));
    } else if (storage.ss_family == AF_INET6) {
        const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
        peer.kind = Kind::Tcp6;
        peer.port = ntohs(address.sin6_port);
        std::memcpy(peer.bytes.data(), &address.sin6_addr, sizeof(address.sin6_addr));
    }
    return peer;
}

}  // namespace

PeerAddress PeerAddress::of(int socket) noexcept { return ask(socket, &::getpeername); }

PeerAddress PeerAddress::local_of(int socket) noexcept { return ask(socket, &::getsockname); }

std::string PeerAddress::host() const {
    if (kind == Kind::Local) return {};
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(kind == Kind::Tcp4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
    return text;
}

}  // namespace shardmill::net
