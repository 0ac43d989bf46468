#include "fuzz/binary_parser_seeds.h"

#include <cstdint>
#include <initializer_list>

#include "support/binary_packet.h"

namespace shardmill::fuzz {
namespace {

using testing::Packet;
using testing::u32;
using testing::u64;
using namespace std::string_literals;

using Codes = std::initializer_list<std::uint8_t>;

std::vector<std::string> make_seeds() {
    const std::string store = u32(5) + u32(60);
    const std::string delta = u64(1) + u64(10) + u32(0xffffffff);
    const std::string exptime = u32(60);
    std::vector<std::string> seeds;
    const auto add = [&seeds](const Packet& packet) { seeds.push_back(packet.bytes()); };
    for (const std::uint8_t get : Codes{0x00, 0x09, 0x0c, 0x0d})
        add({get, {}, "key", {}, 0, 0x1234});
    for (const std::uint8_t set : Codes{0x01, 0x02, 0x03, 0x11, 0x12, 0x13})
        add({set, store, "key", "value", 7});
    for (const std::uint8_t erase : Codes{0x04, 0x14}) add({erase, {}, "key", {}, 9});
    for (const std::uint8_t number : Codes{0x05, 0x06, 0x15, 0x16}) add({number, delta, "key"});
    for (const std::uint8_t bare : Codes{0x07, 0x0a, 0x0b, 0x17, 0x20}) add({bare});
    for (const std::uint8_t flush : Codes{0x08, 0x18}) add({flush, exptime});
    for (const std::uint8_t join : Codes{0x0e, 0x0f, 0x19, 0x1a}) add({join, {}, "key", "value"});
    for (const std::uint8_t touch : Codes{0x1c, 0x1d, 0x1e, 0x23, 0x24})
        add({touch, exptime, "key"});
    for (const std::uint8_t sasl : Codes{0x21, 0x22}) add({sasl, {}, "PLAIN", "\0user\0password"s});
    add({0x10, {}, "settings"});
    add({0xb0, {}, {}, "batch run count prefix=a:"});
    add({0xb0, {}, {}, "batch run - payload=5\r\ncount\r\n"});
    add({0xb0, {}, {}, "snapshot list\r\n"});
    // Near misses.
    add({0x08});
    add({0x60, "ex", "key", "value"});
    add({0x00, {}, std::string(251, 'k')});
    add({0x01, store, "", "value"});
    add({.opcode = 0x01, .extras = store, .key = "key", .body_bytes = 5});
    add({.opcode = 0x01, .extras = store, .key = "key", .body_bytes = 0x40000001});
    add({.opcode = 0x21, .key = "PLAIN", .value = "x", .body_bytes = 70000});
    add({.opcode = 0x0a, .magic = 0x81});
    add({.key_bytes = 65535, .extras_bytes = 255});
    seeds.push_back(Packet{0x11, store, "a", "1"}.bytes() + Packet{0x0d, {}, "a"}.bytes() +
                    Packet{0x0a}.bytes());
    return seeds;
}

}  // namespace

const std::vector<std::string>& binary_parser_seeds() {
    static const std::vector<std::string> seeds = make_seeds();
    return seeds;
}

}  // namespace shardmill::fuzz
