#include "protocol/binary_parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "protocol/describe.h"
#include "support/binary_packet.h"

namespace shardmill::protocol {
namespace {

using testing::Packet;
using testing::u32;
using testing::u64;
using namespace std::string_literals;

std::string parsed(const std::string& bytes) { return parse_and_describe(bytes, Dialect::Binary); }
std::string parsed(const Packet& packet) { return parsed(packet.bytes()); }

const std::string kStoreExtras = u32(5) + u32(60);
const std::string kDeltaExtras = u64(3) + u64(7) + u32(60);

struct Case {
    Packet packet;
    std::string description;
};

/// Every opcode, as it should be sent.
const std::vector<Case> kCases = {
    {{0x00, {}, "k"}, "BinaryGet key=k op=00"},
    {{0x01, kStoreExtras, "k", "abc"},
     "BinarySet key=k op=01 flags=5 exptime=60 bytes=3 value='abc'"},
    {{0x02, kStoreExtras, "k", "abc", 9},
     "BinaryAdd key=k op=02 cas=9 flags=5 exptime=60 bytes=3 value='abc'"},
    {{0x03, kStoreExtras, "k", ""},
     "BinaryReplace key=k op=03 flags=5 exptime=60 bytes=0 value=''"},
    {{0x04, {}, "k", {}, 77}, "BinaryDelete key=k op=04 cas=77"},
    {{0x05, kDeltaExtras, "k"}, "BinaryIncrement key=k op=05 delta=3 initial=7 exptime=60 create"},
    {{0x06, kDeltaExtras, "k"}, "BinaryDecrement key=k op=06 delta=3 initial=7 exptime=60 create"},
    {{0x07}, "BinaryQuit op=07"},
    {{0x08}, "BinaryFlush op=08 exptime=0"},
    {{0x09, {}, "k"}, "BinaryGet key=k op=09 quiet"},
    {{0x0a}, "BinaryNoop op=0a"},
    {{0x0b}, "BinaryVersion op=0b"},
    {{0x0c, {}, "k"}, "BinaryGet key=k op=0c with-key"},
    {{0x0d, {}, "k"}, "BinaryGet key=k op=0d with-key quiet"},
    {{0x0e, {}, "k", "abc"}, "BinaryAppend key=k op=0e flags=0 exptime=0 bytes=3 value='abc'"},
    {{0x0f, {}, "k", "abc"}, "BinaryPrepend key=k op=0f flags=0 exptime=0 bytes=3 value='abc'"},
    {{0x10}, "BinaryStat op=10 arguments=''"},
    {{0x11, kStoreExtras, "k", "abc"},
     "BinarySet key=k op=11 flags=5 exptime=60 quiet bytes=3 value='abc'"},
    {{0x12, kStoreExtras, "k", "abc"},
     "BinaryAdd key=k op=12 flags=5 exptime=60 quiet bytes=3 value='abc'"},
    {{0x13, kStoreExtras, "k", "abc"},
     "BinaryReplace key=k op=13 flags=5 exptime=60 quiet bytes=3 value='abc'"},
    {{0x14, {}, "k"}, "BinaryDelete key=k op=14 quiet"},
    {{0x15, kDeltaExtras, "k"},
     "BinaryIncrement key=k op=15 delta=3 initial=7 exptime=60 create quiet"},
    {{0x16, kDeltaExtras, "k"},
     "BinaryDecrement key=k op=16 delta=3 initial=7 exptime=60 create quiet"},
    {{0x17}, "BinaryQuit op=17 quiet"},
    {{0x18, u32(100)}, "BinaryFlush op=18 exptime=100 quiet"},
    {{0x19, {}, "k", "abc"},
     "BinaryAppend key=k op=19 flags=0 exptime=0 quiet bytes=3 value='abc'"},
    {{0x1a, {}, "k", "abc"},
     "BinaryPrepend key=k op=1a flags=0 exptime=0 quiet bytes=3 value='abc'"},
    {{0x1c, u32(60), "k"}, "BinaryTouch key=k op=1c exptime=60"},
    {{0x1d, u32(60), "k"}, "BinaryGat key=k op=1d exptime=60"},
    {{0x1e, u32(60), "k"}, "BinaryGat key=k op=1e exptime=60 quiet"},
    {{0x20}, "BinarySasl op=20 mechanism='' value=''"},
    {{0x21, {}, "PLAIN", "ab"}, "BinarySasl op=21 mechanism='PLAIN' value='ab'"},
    {{0x22, {}, "PLAIN", "ab"}, "BinarySasl op=22 mechanism='PLAIN' value='ab'"},
    {{0x23, u32(60), "k"}, "BinaryGat key=k op=23 exptime=60 with-key"},
    {{0x24, u32(60), "k"}, "BinaryGat key=k op=24 exptime=60 with-key quiet"},
    {{0xb0, {}, {}, "batch list"}, "BinaryLine op=b0: Batch arguments='list' payload=''"},
};

/// Others that are right, and some that are not but whose lengths add up.
const std::vector<Case> kMoreCases = {
    {{0x00, {}, std::string(250, 'k')}, "BinaryGet key=" + std::string(250, 'k') + " op=00"},
    {{.opcode = 0x00, .key = "k", .opaque = 0xdeadbeef}, "BinaryGet key=k op=00 opaque=efbeadde"},
    {{.opcode = 0x00, .key = "k", .status = 7, .data_type = 1}, "BinaryGet key=k op=00"},
    {{0x00, {}, "a b\r\n"}, "BinaryGet key=a b\r\n op=00"},
    {{0x01, u32(~0u) + u32(~0u), "k"},
     "BinarySet key=k op=01 flags=4294967295 exptime=-1 bytes=0 value=''"},
    {{0x05, u64(~0ull) + u64(0) + u32(~0u), "k"},
     "BinaryIncrement key=k op=05 delta=18446744073709551615 initial=0 exptime=-1"},
    {{0x05, u64(1) + u64(0) + u32(0xfffffffe), "k"},
     "BinaryIncrement key=k op=05 delta=1 initial=0 exptime=-2 create"},
    {{0x08, u32(0)}, "BinaryFlush op=08 exptime=0"},
    {{0x10, {}, "detail dump"}, "BinaryStat op=10 arguments='detail dump'"},
    {{0x0e, {}, "k", ""}, "BinaryAppend key=k op=0e flags=0 exptime=0 bytes=0 value=''"},
    {{0x21, {}, std::string(33, 'M'), ""},
     "BinarySasl op=21 mechanism='" + std::string(33, 'M') + "' value=''"},
    {{0xb0, {}, {}, "batch get x rows=2\r\n"},
     "BinaryLine op=b0: Batch arguments='get x rows=2' payload=''"},
    {{0xb0, {}, {}, "batch run - payload=5\r\nab\ncd\r\n"},
     "BinaryLine op=b0: Batch arguments='run - payload=5' payload='ab\ncd'"},
    {{0xb0, {}, {}, "batch run - payload=5\r\nabcd\r\n"},
     "BinaryLine op=b0: Invalid 'CLIENT_ERROR bad data chunk'"},
    {{0xb0, {}, {}, "batch run - payload=5"},
     "BinaryLine op=b0: Invalid 'CLIENT_ERROR bad data chunk'"},
    {{0xb0, {}, {}, "batch run - payload=x\r\n"},
     "BinaryLine op=b0: Invalid 'CLIENT_ERROR bad payload length'"},
    {{0xb0, {}, {}, "snapshot list\n"}, "BinaryLine op=b0: Snapshot arguments='list'"},
    // To whoever does not mean such a line the opcode is unknown.
    {{0xb0, {}, {}, "get a\r\n"}, "BinaryInvalid op=b0 status=81"},
    {{0xb0, {}, {}, ""}, "BinaryInvalid op=b0 status=81"},
    {{0xb0, {}, {}, "\r\n"}, "BinaryInvalid op=b0 status=81"},
    {{0xb0, {}, "k", "batch list"}, "BinaryInvalid op=b0 status=81"},
    {{0xb0, "x", {}, "batch list"}, "BinaryInvalid op=b0 status=81"},
};

TEST(BinaryParserTest, UnderstandsEveryOpcode) {
    std::vector<std::uint8_t> seen;
    for (const Case& test : kCases) {
        EXPECT_EQ(parsed(test.packet), test.description);
        seen.push_back(test.packet.opcode);
    }
    std::ranges::sort(seen);
    const auto known = binary_opcodes();
    EXPECT_EQ(seen, std::vector<std::uint8_t>(known.begin(), known.end()));
    for (const Case& test : kMoreCases) EXPECT_EQ(parsed(test.packet), test.description);
}

TEST(BinaryParserTest, AnswersOpcodesItDoesNotKnowAndSwallowsAllOfTheirBody) {
    const auto known = binary_opcodes();
    for (unsigned code = 0; code < 256; ++code) {
        if (std::ranges::find(known, code) != known.end()) continue;
        const std::string bytes = Packet{.opcode = static_cast<std::uint8_t>(code),
                                         .extras = "ex",
                                         .key = "key",
                                         .value = "value"}
                                      .bytes();
        const std::string refused = fmt::format("BinaryInvalid op={:02x} status=81", code);
        EXPECT_EQ(parsed(bytes), refused);
        EXPECT_EQ(parsed(bytes + "more"), refused + " left=4");
        EXPECT_EQ(parsed(bytes.substr(0, 24 + 2 + 3 + 1)), refused + " swallow=4");
    }
}

TEST(BinaryParserTest, ClosesWithAnErrorWhereTheLengthsAreNotTheOpcodes) {
    const std::string long_key(251, 'k');
    std::vector<Packet> malformed = {
        {0x01, u32(0), "k", "v"},              // too few extras
        {0x01, kStoreExtras + "x", "k", "v"},  // too many
        {0x01, kStoreExtras, "", "v"},         // no key
        {0x05, u64(1) + u64(0), "k"},
        {0x05, kDeltaExtras, "k", "v"},
        {0x08, "ab"},
        {0x08, {}, "k"},
        {0x08, u32(0), {}, "v"},
        {0x0e, "x", "k", "v"},
        {0x10, u32(0), "items"},
        {0x10, {}, "items", "v"},
        {0x1c, {}, "k"},
        {0x1c, u32(0), "k", "v"},
        {0x1d, u32(0), ""},
        {0x20, {}, "PLAIN"},
        {0x21, {}, "", "ab"},
        {0x21, "x", "PLAIN", "ab"},
        {0x60, {}, long_key},  // even of an unknown opcode
    };
    for (const std::uint8_t code : binary_opcodes()) malformed.push_back({code, {}, long_key});
    for (const std::uint8_t bare : std::initializer_list<std::uint8_t>{0, 4, 9, 0xc, 0xd, 0x14}) {
        malformed.push_back({bare, {}, ""});
        malformed.push_back({bare, "x", "k"});
        malformed.push_back({bare, {}, "k", "v"});
    }
    for (const std::uint8_t empty : std::initializer_list<std::uint8_t>{7, 0xa, 0xb, 0x17}) {
        malformed.push_back({empty, {}, "k"});
        malformed.push_back({empty, "x"});
        malformed.push_back({empty, {}, {}, "v"});
    }
    for (const Packet& packet : malformed) {
        const std::string left =
            packet.value.empty() ? "" : " left=" + std::to_string(packet.value.size());
        EXPECT_EQ(parsed(packet),
                  fmt::format("BinaryBroken op={:02x} status=04{}", packet.opcode, left));
    }
}

TEST(BinaryParserTest, ClosesWithAnErrorWhereTheLengthsContradictEachOther) {
    EXPECT_EQ(parsed(Packet{.opcode = 0x00, .key = "key", .body_bytes = 2}),
              "BinaryBroken op=00 status=81");
    EXPECT_EQ(parsed(Packet{.opcode = 0x01, .extras = kStoreExtras, .key = "k", .body_bytes = 8}),
              "BinaryBroken op=01 status=81");
    // What the header announces is read before it is answered.
    const std::string header = Packet{.key_bytes = 65535, .extras_bytes = 255}.bytes();
    EXPECT_EQ(parsed(header), "need more 65814");
    EXPECT_EQ(parsed(header + std::string(65790, 'x')), "BinaryBroken op=00 status=81");
}

TEST(BinaryParserTest, RefusesBodiesOverOneGibibyte) {
    const auto announce = [](std::uint32_t bytes) {
        return parsed(
            Packet{.opcode = 0x01, .extras = kStoreExtras, .key = "k", .body_bytes = bytes});
    };
    EXPECT_EQ(announce(1u << 30), "need value: BinarySet key=k op=01 flags=5 exptime=60 bytes=" +
                                      std::to_string((1u << 30) - 9));
    EXPECT_EQ(announce((1u << 30) + 1), "BinaryBroken op=01 status=04");
    EXPECT_EQ(announce(~0u), "BinaryBroken op=01 status=04");
}

TEST(BinaryParserTest, ClosesWithoutReplyOnAnyOtherFirstByte) {
    for (unsigned first = 0; first < 256; ++first) {
        if (first == 0x80) continue;
        EXPECT_EQ(parsed(std::string(1, static_cast<char>(first))), "close");
        EXPECT_EQ(parsed(Packet{.opcode = 0x0a, .magic = static_cast<std::uint8_t>(first)}),
                  "close");
    }
}

TEST(BinaryParserTest, LinesAndAuthenticationHaveLimits) {
    Packet line{0xb0, {}, {}, "batch list" + std::string(67586 - 10, ' ')};
    EXPECT_EQ(parsed(line), "BinaryLine op=b0: Batch arguments='list' payload=''");
    line.value += ' ';
    EXPECT_EQ(parsed(line), "BinaryInvalid op=b0 status=03");
    EXPECT_EQ(parsed(line.bytes().substr(0, 1000)), "BinaryInvalid op=b0 status=03 swallow=66611");

    Packet sasl{0x21, {}, "PLAIN", std::string(65536, 'x')};
    EXPECT_EQ(parsed(sasl), "BinarySasl op=21 mechanism='PLAIN' value='" + sasl.value + "'");
    EXPECT_EQ(parsed(sasl.bytes().substr(0, 40)), "need more 65565");
    sasl.value += 'x';
    EXPECT_EQ(parsed(sasl), "BinarySasl op=21 mechanism='PLAIN' value='' too-long");
    EXPECT_EQ(parsed(sasl.bytes().substr(0, 40)),
              "BinarySasl op=21 mechanism='PLAIN' value='' too-long swallow=65526");
}

bool gathers_its_body(const Packet& packet) {
    return packet.opcode == 0xb0 || packet.opcode == 0x21 || packet.opcode == 0x22;
}

TEST(BinaryParserTest, EveryPrefixOfAPacketSaysWhatIsMissing) {
    for (const Case& test : kCases) {
        const std::string bytes = test.packet.bytes();
        const std::size_t head = bytes.size() - test.packet.value.size();
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const std::string shown = parsed(bytes.substr(0, size));
            if (size < 24) {
                EXPECT_EQ(shown, "need more 24") << test.description << size;
            } else if (size < head) {
                EXPECT_EQ(shown, "need more " + std::to_string(head)) << test.description << size;
            } else if (gathers_its_body(test.packet)) {
                EXPECT_EQ(shown, "need more " + std::to_string(bytes.size())) << size;
            } else {
                const std::string request =
                    test.description.substr(0, test.description.find(" value="));
                const std::string left = size == head ? "" : " left=" + std::to_string(size - head);
                EXPECT_EQ(shown, "need value: " + request + left) << size;
            }
        }
    }
}

TEST(BinaryParserTest, TakesExactlyOnePacketOfAPipeline) {
    for (const Case& test : kCases) {
        for (const Case& next : kCases) {
            const std::string behind = next.packet.bytes();
            EXPECT_EQ(parsed(test.packet.bytes() + behind),
                      test.description + " left=" + std::to_string(behind.size()));
        }
    }
}

TEST(BinaryParserTest, AValueReceivedElsewhereHasNoLineEnd) {
    const std::string head =
        Packet{0x01, kStoreExtras, "k", std::string(100, 'x')}.bytes().substr(0, 24 + 8 + 1);
    Request request;
    const ParseResult result = parse_binary(head, request);
    ASSERT_EQ(result.status, ParseStatus::NeedValue);
    EXPECT_EQ(terminator_bytes(request.verb), 0u);
    request.bad_data_chunk = true;
    finish_value(request, {});
    EXPECT_FALSE(request.bad_data_chunk);
    EXPECT_EQ(request.value_bytes, 100u);
    EXPECT_TRUE(request.value.empty());
}

TEST(BinaryParserTest, TheFirstByteDecidesWhereTheDialectIsOpen) {
    const std::string noop = Packet{0x0a}.bytes();
    EXPECT_EQ(parse_and_describe(noop, Dialect::Auto), "BinaryNoop op=0a");
    EXPECT_EQ(parse_and_describe("version\r\n", Dialect::Auto), "Version");
    EXPECT_EQ(parse_and_describe("version\r\n", Dialect::Binary), "close");
    EXPECT_EQ(parse_and_describe("\x80 a\r\n", Dialect::Text), "Invalid 'ERROR'");
    EXPECT_EQ(dialect_of('\x80'), Dialect::Binary);
    EXPECT_EQ(dialect_of('\x81'), Dialect::Text);
    EXPECT_EQ(dialect_of('g'), Dialect::Text);
}

}  // namespace
}  // namespace shardmill::protocol
