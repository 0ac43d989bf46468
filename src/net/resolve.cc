#include "net/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include <fmt/format.h>

namespace shardmill::net {
namespace {

std::string advice(int code, std::string_view option) {
    switch (code) {
        case EADDRINUSE:
            return fmt::format(
                "another program listens there; stop it or choose another port with {}", option);
        case EACCES:
            return fmt::format(
                "ports below 1024 are for privileged programs; choose another one with {}", option);
        case EADDRNOTAVAIL:
            return "this machine has no such address; check -l";
        default:
            return fmt::format("check -l and {}", option);
    }
}

}  // namespace

std::unexpected<OpenError> open_error(int code, std::string_view where, std::string_view option) {
    return std::unexpected(OpenError{code, fmt::format("cannot listen on {}: {}; {}", where,
                                                       std::strerror(code), advice(code, option))});
}

std::string host_of(const sockaddr_storage& address, socklen_t bytes) {
    char host[NI_MAXHOST] = "?";
    ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), bytes, host, sizeof(host), nullptr,
                  0, NI_NUMERICHOST);
    return host;
}

std::string describe(const sockaddr_storage& address, socklen_t bytes) {
    return fmt::format("{} port {}", host_of(address, bytes), port_of(address));
}

std::uint16_t port_of(const sockaddr_storage& address) noexcept {
    if (address.ss_family == AF_INET6) {
        return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    }
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void set_port(sockaddr_storage& address, std::uint16_t port) noexcept {
    if (address.ss_family == AF_INET6) {
        reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
    } else {
        reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
    }
}

std::expected<AddressList, std::string> resolve(const std::string& host, int port,
                                                int socket_type) {
    const std::string service = std::to_string(std::max(port, 0));
    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE;
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = socket_type;
    addrinfo* found = nullptr;
    const int failed =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found);
    if (failed != 0) {
        return std::unexpected(
            fmt::format("cannot listen on {}: {}; check -l", host, ::gai_strerror(failed)));
    }
    return AddressList(found, &::freeaddrinfo);
}

}  // namespace shardmill::net
