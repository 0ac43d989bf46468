#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_order.h"
#include "command_server.h"
#include "support/binary_packet.h"

namespace shardmill::engine {

using testing::Packet;
using testing::u32;
using testing::u64;

/// A packet sent, and the packets that must come for it. CAS values are the store's own business:
/// replies are compared without them.
struct BinaryExchange {
    Packet request;
    std::vector<Packet> replies;
};

inline std::uint64_t cas_of(std::string_view reply) {
    return base::load_big<std::uint64_t>(reply.data() + 16);
}

inline std::string without_cas(std::string replies) {
    for (std::size_t at = 0; at + 24 <= replies.size();) {
        replies.replace(at + 16, 8, 8, '\0');
        at += 24 + base::load_big<std::uint32_t>(replies.data() + at + 8);
    }
    return replies;
}

/// Bytes to compare by eye.
inline std::string shown(std::string_view packets) {
    std::string text;
    for (std::size_t at = 0; at < packets.size();) {
        const std::size_t head = std::min<std::size_t>(24, packets.size() - at);
        for (std::size_t i = 0; i < head; ++i) {
            constexpr std::string_view kDigits = "0123456789abcdef";
            const auto byte = static_cast<unsigned char>(packets[at + i]);
            text += {kDigits[byte >> 4], kDigits[byte & 15]};
        }
        if (head < 24) break;
        const std::size_t body = base::load_big<std::uint32_t>(packets.data() + at + 8);
        text += " " + printable(packets.substr(at + 24, body)) + "\n";
        at += 24 + body;
    }
    return text;
}

inline Packet success(std::uint8_t opcode) { return {.opcode = opcode, .magic = 0x81}; }

inline Packet failure(std::uint8_t opcode, std::uint16_t status, std::string text) {
    return {.opcode = opcode, .value = std::move(text), .status = status, .magic = 0x81};
}
inline Packet not_found(std::uint8_t opcode) { return failure(opcode, 1, "Not found"); }
inline Packet exists(std::uint8_t opcode) { return failure(opcode, 2, "Data exists for key."); }
inline Packet not_stored(std::uint8_t opcode) { return failure(opcode, 5, "Not stored."); }

inline Packet hit(std::uint8_t opcode, std::uint32_t flags, std::string value,
                  std::string key = {}) {
    return {.opcode = opcode,
            .extras = u32(flags),
            .key = std::move(key),
            .value = std::move(value),
            .magic = 0x81};
}
inline Packet number(std::uint8_t opcode, std::uint64_t value) {
    return {.opcode = opcode, .value = u64(value), .magic = 0x81};
}

inline Packet store(std::uint8_t opcode, std::string key, std::string value,
                    std::uint32_t flags = 0, std::uint32_t exptime = 0, std::uint64_t cas = 0) {
    return {.opcode = opcode,
            .extras = u32(flags) + u32(exptime),
            .key = std::move(key),
            .value = std::move(value),
            .cas = cas};
}
inline Packet keyed(std::uint8_t opcode, std::string key, std::string value = {},
                    std::uint64_t cas = 0) {
    return {.opcode = opcode, .key = std::move(key), .value = std::move(value), .cas = cas};
}
inline Packet delta(std::uint8_t opcode, std::string key, std::uint64_t by, std::uint64_t initial,
                    std::uint32_t exptime, std::uint64_t cas = 0) {
    return {.opcode = opcode,
            .extras = u64(by) + u64(initial) + u32(exptime),
            .key = std::move(key),
            .cas = cas};
}
inline Packet touch(std::uint8_t opcode, std::string key, std::uint32_t exptime) {
    return {.opcode = opcode, .extras = u32(exptime), .key = std::move(key)};
}

inline std::string joined(const std::vector<Packet>& packets) {
    std::string bytes;
    for (const Packet& packet : packets) bytes += packet.bytes();
    return bytes;
}

/// One packet after the other, each in a turn of its own; then all of them at once, on a server
/// that knows nothing yet.
inline void expect(const CommandServer::Options& options,
                   const std::vector<BinaryExchange>& conversation) {
    CommandServer server(options);
    CommandServer pipelined(options);
    std::string requests;
    std::string replies;
    for (const BinaryExchange& exchange : conversation) {
        const std::string expected = joined(exchange.replies);
        EXPECT_EQ(shown(without_cas(server.ask(exchange.request.bytes()))), shown(expected))
            << "after " << shown(exchange.request.bytes());
        requests += exchange.request.bytes();
        replies += expected;
    }
    EXPECT_EQ(shown(without_cas(pipelined.ask(requests))), shown(replies));
}

}  // namespace shardmill::engine
