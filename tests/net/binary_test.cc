// The binary protocol on connections: who speaks it, and where its packets are cut.

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "protocol/dialect.h"
#include "running_server.h"
#include "support/binary_packet.h"

namespace shardmill::net {
namespace {

using namespace net::testing;
using protocol::Dialect;
using shardmill::testing::Packet;
using shardmill::testing::u32;

std::string get_packet(const std::string& key) { return Packet{0x00, {}, key}.bytes(); }
std::string set_packet(const std::string& key, const std::string& value) {
    return Packet{0x01, u32(0) + u32(0), key, value}.bytes();
}
std::string success(std::uint8_t opcode) { return Packet{.opcode = opcode, .magic = 0x81}.bytes(); }
std::string failure(std::uint8_t opcode, std::uint16_t status, const std::string& text) {
    return Packet{.opcode = opcode, .value = text, .status = status, .magic = 0x81}.bytes();
}
std::string hit(const std::string& value) {
    return Packet{.opcode = 0x00, .extras = u32(0), .value = value, .magic = 0x81}.bytes();
}
const std::string kNoop = Packet{0x0a}.bytes();
const std::string kNoopReply = success(0x0a);

ServerConfig speaking(Dialect dialect) {
    ServerConfig config = small_config();
    for (ListenAddress& address : config.listen) address.dialect = dialect;
    return config;
}

/// Sends and reads as much as is expected.
void expect_reply(TestClient& client, const std::string& request, const std::string& reply) {
    EXPECT_TRUE(client.send(request));
    EXPECT_TRUE(client.receive(reply.size()) == reply);
}

TEST(BinaryTest, TheFirstByteOfAConnectionDecidesForGood) {
    Running running;
    TestClient binary = running.connect();
    expect_reply(binary, kNoop, kNoopReply);
    expect_reply(binary, set_packet("a", "x") + get_packet("a"), success(0x01) + hit("x"));
    EXPECT_TRUE(binary.send("version\r\n"));
    EXPECT_EQ(binary.receive_all(), "");

    TestClient text = running.connect();
    EXPECT_EQ(text.ask("version\r\n"), "VERSION fake\r\n");
    EXPECT_EQ(text.ask("\x80 a\r\n"), "ERROR\r\n");
    EXPECT_EQ(text.ask("version\r\n"), "VERSION fake\r\n");
}

TEST(BinaryTest, ATextListenerTakesPacketsForText) {
    Running running(speaking(Dialect::Text));
    TestClient client = running.connect();
    EXPECT_EQ(client.ask("\x80 noop\r\n"), "ERROR\r\n");
    EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n");
}

TEST(BinaryTest, ABinaryListenerClosesOnAnythingElse) {
    Running running(speaking(Dialect::Binary));
    TestClient client = running.connect();
    expect_reply(client, kNoop, kNoopReply);
    TestClient text = running.connect();
    EXPECT_TRUE(text.send("v"));
    EXPECT_EQ(text.receive_all(), "");
}

TEST(BinaryTest, AnswersWhateverTheBytesAreSplitInto) {
    Running running;
    const std::string requests = set_packet("key", "line\r\n" + patterned(40)) + get_packet("key") +
                                 set_packet("empty", "") + get_packet("empty") +
                                 Packet{0x60, "ex", "key", "body"}.bytes() + get_packet("none") +
                                 Packet{0x09, {}, "none"}.bytes() + kNoop;
    const std::string replies = success(0x01) + hit("line\r\n" + patterned(40)) + success(0x01) +
                                hit("") + failure(0x60, 0x81, "Unknown command") +
                                failure(0x00, 1, "Not found") + kNoopReply;
    for (std::size_t cut = 1; cut < requests.size(); ++cut) {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send(requests.substr(0, cut)));
        // What can be answered of the first part has been when the second is sent.
        EXPECT_TRUE(running.connect().ask("version\r\n") == "VERSION fake\r\n");
        expect_reply(client, requests.substr(cut), replies);
    }
    TestClient slow = running.connect();
    for (const char byte : requests) EXPECT_TRUE(slow.send({&byte, 1}));
    expect_reply(slow, "", replies);
}

TEST(BinaryTest, LargeValuesGoThroughUploadsAndComeFromPins) {
    Running running;
    TestClient client = running.connect();
    for (const std::size_t bytes : {32u << 10, 100'000u, 1u << 20}) {
        const std::string value = patterned(bytes, static_cast<unsigned>(bytes));
        expect_reply(client, set_packet("large", value), success(0x01));
        EXPECT_TRUE(running.store.get("large") == value);
        expect_reply(client, get_packet("large") + kNoop, hit(value) + kNoopReply);
    }
}

TEST(BinaryTest, UploadsMayBeCutAnywhere) {
    Running running;
    const std::string value = patterned(40'000);
    const std::string request = set_packet("large", value);
    for (const std::size_t cut : {1uz, 23uz, 24uz, 31uz, 32uz, 36uz, 37uz, 38uz, 20'000uz,
                                  request.size() - 1, request.size()}) {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send(request.substr(0, cut)));
        EXPECT_TRUE(running.connect().ask("version\r\n") == "VERSION fake\r\n");
        expect_reply(client, request.substr(cut) + get_packet("large") + kNoop,
                     success(0x01) + hit(value) + kNoopReply);
    }
}

TEST(BinaryTest, AnswersRefusedUploadsInOrderAndSwallowsTheirData) {
    Running running;
    TestClient client = running.connect();
    const std::string refused = set_packet("a", patterned((1u << 20) + 1));
    const std::string error = failure(0x01, 3, "Too large.");
    expect_reply(client, kNoop + refused + kNoop + refused + set_packet("c", "x") + kNoop,
                 kNoopReply + error + kNoopReply + error + success(0x01) + kNoopReply);
}

TEST(BinaryTest, QuitIsAnsweredAndNothingBehindItRuns) {
    Running running;
    for (const std::uint8_t opcode : {std::uint8_t{0x07}, std::uint8_t{0x17}}) {
        TestClient client = running.connect();
        EXPECT_TRUE(
            client.send(kNoop + Packet{opcode}.bytes() + set_packet("behind", "x") + kNoop));
        EXPECT_EQ(client.receive_all(), kNoopReply + (opcode == 0x07 ? success(0x07) : ""));
    }
    EXPECT_EQ(running.store.get("behind"), std::nullopt);
}

TEST(BinaryTest, AMalformedPacketIsAnsweredAndCloses) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send(kNoop + Packet{0x00}.bytes()));
    EXPECT_EQ(client.receive_all(), kNoopReply + failure(0x00, 4, "Invalid arguments"));
    TestClient other = running.connect();
    EXPECT_TRUE(other.send(Packet{.opcode = 0x00, .key = "key", .body_bytes = 1}.bytes()));
    EXPECT_EQ(other.receive_all(), failure(0x00, 0x81, "Unknown command"));
}

TEST(BinaryTest, TheBodyOfAnUnknownOpcodeIsSwallowedHoweverLong) {
    Running running;
    TestClient client = running.connect();
    const std::string unknown = Packet{0x99, {}, {}, patterned(1'000'000)}.bytes();
    expect_reply(client, unknown + kNoop, failure(0x99, 0x81, "Unknown command") + kNoopReply);
}

TEST(BinaryTest, AClientThatVanishesGivesItsUploadBack) {
    Running running;
    {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send(set_packet("large", patterned(500'000)).substr(0, 100'000)));
        EXPECT_TRUE(eventually([&] { return running.store.uploads == 1; }));
        client.vanish();
    }
    EXPECT_TRUE(eventually([&] { return running.store.abandoned == 1; }));
}

TEST(BinaryTest, WhatAnswersALineLaterIsPutInItsPacket) {
    Running running;
    TestClient client = running.connect();
    const Packet line{.opcode = 0xb0, .value = "batch wait x", .opaque = 0xabcd};
    EXPECT_TRUE(client.send(kNoop + line.bytes() + kNoop));
    EXPECT_EQ(client.receive(kNoopReply.size()), kNoopReply);
    std::optional<ConnectionId> waiting;
    EXPECT_TRUE(eventually([&] { return (waiting = running.store.take_deferred()).has_value(); }));
    running.server.replier().reply(waiting.value_or(ConnectionId{}), "HD x state=done\r\n");
    const Packet answer{
        .opcode = 0xb0, .value = "HD x state=done\r\n", .opaque = 0xabcd, .magic = 0x81};
    expect_reply(client, "", answer.bytes() + kNoopReply);
}

}  // namespace
}  // namespace shardmill::net
