#include "bench/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace shardmill::bench {

namespace {

[[noreturn]] void fail(const client::Address& address, const std::string& what, int error) {
    std::string advice;
    if (error == ECONNREFUSED || error == ENOENT) advice = "; is the server running there?";
    if (error == EMFILE) advice = "; raise the limit with `ulimit -n`";
    throw client::Error(
        client::Error::Kind::Connect,
        fmt::format("cannot connect to {}: {}{}", address.to_string(), what, advice));
}

int finish(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

int connect_unix(const client::Address& address) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (address.path.size() >= sizeof name.sun_path) fail(address, "the path is too long", 0);
    std::memcpy(name.sun_path, address.path.data(), address.path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        const int error = errno;
        if (fd >= 0) ::close(fd);
        fail(address, std::strerror(error), error);
    }
    return finish(fd);
}

}  // namespace

int connect_socket(const client::Address& address) {
    if (!address.path.empty()) return connect_unix(address);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int result = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
    if (result != 0) fail(address, ::gai_strerror(result), 0);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, &::freeaddrinfo);
    int error = 0;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        const int fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && ::connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
            const int one = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            return finish(fd);
        }
        error = errno;
        if (fd >= 0) ::close(fd);
    }
    fail(address, std::strerror(error), error);
}

}  // namespace shardmill::bench
