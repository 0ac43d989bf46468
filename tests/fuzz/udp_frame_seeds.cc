#include "fuzz/udp_frame_seeds.h"

#include <string_view>

#include "fuzz/binary_parser_seeds.h"
#include "fuzz/meta_parser_seeds.h"
#include "fuzz/text_parser_seeds.h"
#include "net/udp_frame.h"

namespace shardmill::fuzz {
namespace {

std::string datagram(const net::UdpFrame& frame, std::string_view payload) {
    std::string bytes(net::kUdpFrameBytes, '\0');
    net::write_udp_frame(bytes.data(), frame);
    return bytes.append(payload);
}

}  // namespace

std::vector<std::string> udp_frame_seeds() {
    std::vector<std::string> seeds;
    const auto add = [&](std::string_view payload) {
        const auto id = static_cast<std::uint16_t>(seeds.size());
        seeds.push_back(datagram({id, 0, 1}, payload));
    };
    for (const std::string_view seed : text_parser_seeds()) add(seed);
    for (const std::string_view seed : meta_parser_seeds()) add(seed);
    for (const std::string& seed : binary_parser_seeds()) add(seed);
    seeds.push_back(datagram({1, 0, 1}, ""));             // no command
    seeds.push_back(datagram({1, 0, 2}, "version\r\n"));  // half of a message
    seeds.push_back(datagram({1, 1, 2}, "version\r\n"));
    seeds.push_back(datagram({1, 0, 0}, "version\r\n"));
    seeds.push_back(datagram({65535, 65535, 65535}, "mn\r\n"));
    seeds.push_back(datagram({1, 7, 1}, "version\r\n"));  // the number does not matter
    seeds.emplace_back("\0\1\0\0\0\1\0", 7);              // not even a frame
    return seeds;
}

}  // namespace shardmill::fuzz
