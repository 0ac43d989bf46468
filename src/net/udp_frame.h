#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/byte_order.h"

namespace shardmill::net {

/// The eight bytes in front of the text or the packets of every datagram, in network order: id of
/// the request, number of this datagram, datagrams of the message, zero.
struct UdpFrame {
    std::uint16_t request_id;
    std::uint16_t number;
    std::uint16_t total;
};

inline constexpr std::size_t kUdpFrameBytes = 8;
/// The longest datagram that is sent, frame included; clients' buffers are made for it.
inline constexpr std::size_t kUdpDatagramBytes = 1400;
inline constexpr std::size_t kUdpPayloadBytes = kUdpDatagramBytes - kUdpFrameBytes;
inline constexpr std::size_t kUdpDatagramsMax = 65535;

/// The frame of a request: nullopt for what is to be dropped, no command in it or a message of
/// several datagrams.
inline std::optional<UdpFrame> parse_udp_frame(std::string_view datagram) noexcept {
    if (datagram.size() <= kUdpFrameBytes) return std::nullopt;
    const auto number = [&](std::size_t at) {
        return base::load_big<std::uint16_t>(datagram.data() + at);
    };
    const UdpFrame frame{number(0), number(2), number(4)};
    if (frame.total != 1) return std::nullopt;
    return frame;
}

inline void write_udp_frame(char* out, const UdpFrame& frame) noexcept {
    out = base::store_big(out, frame.request_id);
    out = base::store_big(out, frame.number);
    out = base::store_big(out, frame.total);
    base::store_big(out, std::uint16_t{0});
}

/// Datagrams that a message of `bytes` needs.
constexpr std::uint64_t udp_datagrams(std::uint64_t bytes) noexcept {
    return (bytes + kUdpPayloadBytes - 1) / kUdpPayloadBytes;
}

}  // namespace shardmill::net
