#include "fuzz/udp_frame_check.h"

#include <cstring>
#include <memory>

#include "base/assert.h"
#include "fuzz/binary_parser_check.h"
#include "fuzz/text_parser_check.h"
#include "net/udp_frame.h"
#include "protocol/parser.h"

namespace shardmill::fuzz {
namespace {

/// What is answered goes out in datagrams that hold all of it and none too many.
void check_division(std::size_t bytes) {
    const std::uint64_t datagrams = net::udp_datagrams(bytes);
    SHARDMILL_ASSERT(datagrams * net::kUdpPayloadBytes >= bytes);
    SHARDMILL_ASSERT(bytes == 0 || (datagrams - 1) * net::kUdpPayloadBytes < bytes);
}

}  // namespace

void check_udp_frame(std::string_view datagram) {
    // A copy of its own, so that a read outside of what was received is seen by ASan.
    const std::unique_ptr<char[]> copy(new char[datagram.size()]);
    if (!datagram.empty()) std::memcpy(copy.get(), datagram.data(), datagram.size());
    const auto frame = net::parse_udp_frame({copy.get(), datagram.size()});
    check_division(datagram.size() * 100);
    if (!frame) return;
    SHARDMILL_ASSERT(frame->total == 1);
    char written[net::kUdpFrameBytes];
    net::write_udp_frame(written, *frame);
    SHARDMILL_ASSERT(std::memcmp(written, copy.get(), net::kUdpFrameBytes - 2) == 0);
    const std::string_view payload = datagram.substr(net::kUdpFrameBytes);
    SHARDMILL_ASSERT(!payload.empty());
    if (protocol::dialect_of(payload[0]) == protocol::Dialect::Binary) {
        check_binary_parser(payload);
    } else {
        check_text_parser(payload);
    }
}

}  // namespace shardmill::fuzz
