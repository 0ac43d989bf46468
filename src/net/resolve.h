#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shardmill::net {

/// Why one address could not be listened on.
struct OpenError {
    int code;
    std::string text;
};

/// "cannot listen on <where>: <reason>; <advice>". `option`: how the port is chosen.
std::unexpected<OpenError> open_error(int code, std::string_view where, std::string_view option);

/// "<address> port <port>", numeric.
std::string describe(const sockaddr_storage& address, socklen_t bytes);
/// The numeric address alone.
std::string host_of(const sockaddr_storage& address, socklen_t bytes);
std::uint16_t port_of(const sockaddr_storage& address) noexcept;
void set_port(sockaddr_storage& address, std::uint16_t port) noexcept;

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// The addresses of a host to listen on; `host` empty: all interfaces; `port` -1: an ephemeral one.
/// May look up names: not on a reactor. On failure says what is wrong.
std::expected<AddressList, std::string> resolve(const std::string& host, int port, int socket_type);

/// Opens all addresses of a host with `open(address, bytes)`, which returns an expected with an
/// `address.port` or an OpenError. An ephemeral port is the same on all of them. Addresses this
/// machine cannot serve (a family that is switched off) are passed over as long as one works.
template <typename Open>
auto open_each(const addrinfo* first, bool ephemeral, Open&& open) -> std::expected<
    std::vector<typename std::invoke_result_t<Open, sockaddr_storage, socklen_t>::value_type>,
    OpenError> {
    std::vector<typename std::invoke_result_t<Open, sockaddr_storage, socklen_t>::value_type>
        opened;
    OpenError last{0, {}};
    for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
        sockaddr_storage address{};
        std::memcpy(&address, info->ai_addr, info->ai_addrlen);
        if (ephemeral && !opened.empty()) set_port(address, opened.front().address.port);
        auto one = open(address, info->ai_addrlen);
        if (one) {
            opened.push_back(std::move(*one));
            continue;
        }
        last = one.error();
        if (last.code == EADDRINUSE || last.code == EACCES || last.code == EMFILE) {
            return std::unexpected(last);
        }
    }
    if (opened.empty()) return std::unexpected(last);
    return opened;
}

/// As above for a host by name. Where an ephemeral port is free on one address and taken on another
/// it tries again with a new one.
template <typename Open>
auto open_host(const std::string& host, int port, int socket_type, Open&& open) -> std::expected<
    std::vector<typename std::invoke_result_t<Open, sockaddr_storage, socklen_t>::value_type>,
    std::string> {
    constexpr int kEphemeralAttempts = 16;
    const auto list = resolve(host, port, socket_type);
    if (!list) return std::unexpected(list.error());
    for (int attempt = 1;; ++attempt) {
        auto opened = open_each(list->get(), port < 0, open);
        if (opened) return std::move(*opened);
        const bool unlucky = port < 0 && opened.error().code == EADDRINUSE;
        if (!unlucky || attempt == kEphemeralAttempts) {
            return std::unexpected(opened.error().text);
        }
    }
}

}  // namespace shardmill::net
