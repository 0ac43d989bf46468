#include "udp_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <vector>

#include "net/udp_frame.h"

namespace shardmill::net::testing {

UdpClient::UdpClient(std::uint16_t port, const char* address) {
    sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    const bool is_v4 = ::inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    EXPECT_TRUE(is_v4 || ::inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) << address;
    socket_.reset(::socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int bytes = 8 << 20;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    const auto* generic =
        is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
    EXPECT_EQ(::connect(socket_.get(), generic, is_v4 ? sizeof(v4) : sizeof(v6)), 0);
}

std::string UdpClient::frame(std::uint16_t request_id, std::uint16_t number, std::uint16_t total,
                             std::string_view payload) {
    std::string datagram(kUdpFrameBytes, '\0');
    write_udp_frame(datagram.data(), {request_id, number, total});
    return datagram.append(payload);
}

void UdpClient::send_raw(std::string_view datagram) {
    EXPECT_EQ(::send(socket_.get(), datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(datagram.size()));
}

void UdpClient::send(std::uint16_t request_id, std::string_view payload, std::uint16_t total) {
    send_raw(frame(request_id, 0, total, payload));
}

std::optional<UdpReply> UdpClient::receive(int patience_ms) {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, patience_ms) != 1) return std::nullopt;
    std::string datagram(65536, '\0');
    const ssize_t bytes = ::recv(socket_.get(), datagram.data(), datagram.size(), 0);
    if (bytes < static_cast<ssize_t>(kUdpFrameBytes)) return std::nullopt;
    datagram.resize(static_cast<std::size_t>(bytes));
    const auto number = [&](std::size_t at) {
        return base::load_big<std::uint16_t>(datagram.data() + at);
    };
    EXPECT_EQ(number(6), 0);
    return UdpReply{number(0), number(2), number(4), datagram.substr(kUdpFrameBytes),
                    datagram.size()};
}

std::string UdpClient::receive_message(std::uint16_t request_id) {
    std::string message;
    for (std::size_t number = 0;; ++number) {
        const auto reply = receive();
        if (!reply) return message + "<nothing came>";
        if (reply->request_id != request_id) return message + "<another request's>";
        if (reply->number != number) return message + "<not in order>";
        const bool last = number + 1 == reply->total;
        if (!last && reply->bytes != kUdpDatagramBytes) return message + "<not full>";
        message += reply->payload;
        if (last) return message;
    }
}

std::string UdpClient::ask(std::string_view payload) {
    send(++last_id_, payload);
    return receive_message(last_id_);
}

bool UdpClient::silent() {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, 0) == 0;
}

}  // namespace shardmill::net::testing
