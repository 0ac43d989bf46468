#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/socket.h"

namespace shardmill::net::testing {

/// A datagram as it came, taken apart.
struct UdpReply {
    std::uint16_t request_id;
    std::uint16_t number;
    std::uint16_t total;
    std::string payload;
    std::size_t bytes;  // frame included
};

/// A blocking client of UDP. Every call gives up after ten seconds, so that a broken server fails a
/// test instead of hanging it.
class UdpClient {
 public:
    /// `address`: of the server, IPv4 or IPv6.
    explicit UdpClient(std::uint16_t port, const char* address = "127.0.0.1");

    void send_raw(std::string_view datagram);
    /// `total`: of the frame.
    void send(std::uint16_t request_id, std::string_view payload, std::uint16_t total = 1);

    /// The next datagram; nullopt: none came.
    std::optional<UdpReply> receive(int patience_ms = 10'000);
    /// A whole message; adds what is wrong with its frames to the text.
    std::string receive_message(std::uint16_t request_id);
    std::string ask(std::string_view payload);
    /// Nothing has come so far.
    bool silent();

    /// Frame and payload.
    static std::string frame(std::uint16_t request_id, std::uint16_t number, std::uint16_t total,
                             std::string_view payload);

 private:
    FileDescriptor socket_;
    std::uint16_t last_id_ = 0;
};

}  // namespace shardmill::net::testing
