#include "test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace shardmill::net::testing {
namespace {

FileDescriptor connect_to(int family, const sockaddr* address, socklen_t bytes) {
    FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid() || ::connect(socket.get(), address, bytes) != 0) return {};
    return socket;
}

}  // namespace

TestClient::TestClient(FileDescriptor socket) : socket_(std::move(socket)) {
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

TestClient TestClient::tcp(std::uint16_t port, const char* address) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
        return TestClient(connect_to(AF_INET6, reinterpret_cast<const sockaddr*>(&v6), sizeof(v6)));
    }
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &v4.sin_addr);
    return TestClient(connect_to(AF_INET, reinterpret_cast<const sockaddr*>(&v4), sizeof(v4)));
}

TestClient TestClient::unix_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    return TestClient(
        connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

bool TestClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

std::string TestClient::receive(std::size_t bytes) {
    std::string received(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
        const ssize_t got = ::recv(socket_.get(), received.data() + have, bytes - have, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
    }
    received.resize(have);
    return received;
}

std::string TestClient::receive_until(std::string_view end) {
    std::string received;
    while (!received.ends_with(end)) {
        const std::string next = receive(1);
        if (next.empty()) break;
        received += next;
    }
    return received;
}

std::string TestClient::receive_all() {
    std::string received;
    for (;;) {
        char chunk[4096];
        const ssize_t got = ::recv(socket_.get(), chunk, sizeof(chunk), 0);
        if (got > 0) {
            received.append(chunk, static_cast<std::size_t>(got));
        } else if (got == 0) {
            return received;
        } else if (errno != EINTR) {
            return received + (errno == ECONNRESET ? "<reset>" : "<timeout>");
        }
    }
}

std::string TestClient::ask(std::string_view request, std::string_view end) {
    return send(request) ? receive_until(end) : std::string("<not sent>");
}

void TestClient::half_close() { ::shutdown(socket_.get(), SHUT_WR); }

void TestClient::vanish() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    socket_.reset();
}

}  // namespace shardmill::net::testing
