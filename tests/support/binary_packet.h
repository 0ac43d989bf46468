#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/byte_order.h"

namespace shardmill::testing {

/// A number as packets have it.
template <typename Number>
std::string big(Number number) {
    std::string bytes(sizeof(number), '\0');
    base::store_big(bytes.data(), number);
    return bytes;
}
inline std::string u32(std::uint32_t number) { return big(number); }
inline std::string u64(std::uint64_t number) { return big(number); }

/// A packet of the binary protocol, request or reply. The lengths of its header are what they
/// should be unless told otherwise.
struct Packet {
    std::uint8_t opcode = 0;
    std::string extras = {};
    std::string key = {};
    std::string value = {};
    std::uint64_t cas = 0;
    std::uint32_t opaque = 0;
    std::uint16_t status = 0;  // of requests: reserved
    std::uint8_t magic = 0x80;
    std::uint8_t data_type = 0;
    std::optional<std::uint16_t> key_bytes = {};
    std::optional<std::uint8_t> extras_bytes = {};
    std::optional<std::uint32_t> body_bytes = {};

    std::string bytes() const {
        const std::string body = extras + key + value;
        std::string out;
        out += static_cast<char>(magic);
        out += static_cast<char>(opcode);
        out += big(key_bytes.value_or(static_cast<std::uint16_t>(key.size())));
        out += static_cast<char>(extras_bytes.value_or(static_cast<std::uint8_t>(extras.size())));
        out += static_cast<char>(data_type);
        out += big(status);
        out += big(body_bytes.value_or(static_cast<std::uint32_t>(body.size())));
        out += big(opaque);
        out += big(cas);
        return out + body;
    }
};

}  // namespace shardmill::testing
