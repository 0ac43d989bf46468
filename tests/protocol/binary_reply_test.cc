#include "protocol/binary_reply.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "support/binary_packet.h"

namespace shardmill::protocol {
namespace {

using testing::Packet;
using testing::u32;
using testing::u64;

constexpr std::uint32_t kOpaque = 0x01020304;

Request request_of(std::uint8_t opcode, std::string_view key = {}, bool with_key = false) {
    Request request{};
    request.key = key;
    request.binary.opcode = opcode;
    request.binary.with_key = with_key;
    // The bytes as sent.
    const std::string opaque = u32(kOpaque);
    std::memcpy(&request.binary.opaque, opaque.data(), opaque.size());
    return request;
}

Packet reply(std::uint8_t opcode) { return {.opcode = opcode, .opaque = kOpaque, .magic = 0x81}; }

template <typename Append>
std::string appended(Append append) {
    std::string out = "before";
    append(out);
    EXPECT_TRUE(out.starts_with("before"));
    return out.substr(6);
}

TEST(BinaryReplyTest, ErrorsHaveATextAsBody) {
    const struct {
        BinaryStatus status;
        std::uint16_t code;
        std::string text;
    } cases[] = {
        {BinaryStatus::NotFound, 1, "Not found"},
        {BinaryStatus::Exists, 2, "Data exists for key."},
        {BinaryStatus::TooLarge, 3, "Too large."},
        {BinaryStatus::InvalidArguments, 4, "Invalid arguments"},
        {BinaryStatus::NotStored, 5, "Not stored."},
        {BinaryStatus::NotNumeric, 6, "Non-numeric server-side value for incr or decr"},
        {BinaryStatus::AuthError, 0x20, "Auth failure."},
        {BinaryStatus::AuthContinue, 0x21, ""},
        {BinaryStatus::UnknownCommand, 0x81, "Unknown command"},
        {BinaryStatus::NoMemory, 0x82, "Out of memory"},
        {BinaryStatus::TemporaryFailure, 0x86, "Temporary failure"},
    };
    for (const auto& test : cases) {
        Packet expected = reply(0x11);
        expected.status = test.code;
        expected.value = test.text;
        EXPECT_EQ(appended([&](std::string& out) {
                      append_binary_error(out, request_of(0x11, "k"), test.status);
                  }),
                  expected.bytes());
    }
}

TEST(BinaryReplyTest, SuccessRepeatsOpcodeAndOpaque) {
    Packet expected = reply(0x01);
    expected.cas = 0x1122334455667788;
    EXPECT_EQ(appended([&](std::string& out) {
                  append_binary_success(out, request_of(0x01, "k"), expected.cas);
              }),
              expected.bytes());
    EXPECT_EQ(appended([](std::string& out) { append_binary_success(out, request_of(0x0a)); }),
              "\x81\x0a" + std::string(10, '\0') + "\x01\x02\x03\x04" + std::string(8, '\0'));
}

TEST(BinaryReplyTest, HitsHaveFlagsTheKeyWhereWantedAndTheValue) {
    Packet expected = reply(0x00);
    expected.extras = u32(0xdeadbeef);
    expected.value = "value";
    expected.cas = 7;
    EXPECT_EQ(appended([&](std::string& out) {
                  append_binary_value(out, request_of(0x00, "key"), 0xdeadbeef, "value", 7);
              }),
              expected.bytes());
    expected.opcode = 0x0c;
    expected.key = "key";
    EXPECT_EQ(appended([&](std::string& out) {
                  append_binary_value(out, request_of(0x0c, "key", true), 0xdeadbeef, "value", 7);
              }),
              expected.bytes());
}

TEST(BinaryReplyTest, HeadsCountTheValueThatIsSentFromElsewhere) {
    Packet expected = reply(0x0c);
    expected.extras = u32(1);
    expected.key = "key";
    expected.body_bytes = 4 + 3 + 1'000'000;
    EXPECT_EQ(appended([&](std::string& out) {
                  append_binary_value_head(out, request_of(0x0c, "key", true), 1, 1'000'000, 0);
              }),
              expected.bytes());
}

TEST(BinaryReplyTest, MissesOfGetkHaveTheKeyAsBody) {
    Packet expected = reply(0x0c);
    expected.status = 1;
    expected.key = "key";
    EXPECT_EQ(appended([&](std::string& out) {
                  append_binary_key_miss(out, request_of(0x0c, "key", true));
              }),
              expected.bytes());
}

TEST(BinaryReplyTest, NumbersAreEightBytes) {
    Packet expected = reply(0x05);
    expected.value = u64(~0ull - 1);
    expected.cas = 3;
    EXPECT_EQ(appended([&](std::string& out) {
                  append_binary_number(out, request_of(0x05, "k"), ~0ull - 1, 3);
              }),
              expected.bytes());
}

TEST(BinaryReplyTest, StatisticsAreNameAndValueAndEndWithNeither) {
    Packet expected = reply(0x10);
    expected.key = "pid";
    expected.value = "123";
    EXPECT_EQ(appended([](std::string& out) {
                  append_binary_stat(out, request_of(0x10, "asked"), "pid", "123");
                  append_binary_stat(out, request_of(0x10), {}, {});
              }),
              expected.bytes() + reply(0x10).bytes());
}

TEST(BinaryReplyTest, TextsAndLines) {
    Packet expected = reply(0x0b);
    expected.value = "1.6.45";
    EXPECT_EQ(appended([](std::string& out) {
                  append_binary_text(out, request_of(0x0b), BinaryStatus::Ok, "1.6.45");
              }),
              expected.bytes());
    expected = reply(0xb0);
    expected.body_bytes = 5;
    const Request request = request_of(0xb0);
    EXPECT_EQ(
        appended([&](std::string& out) { append_binary_line_head(out, request.binary.opaque, 5); }),
        expected.bytes());
}

}  // namespace
}  // namespace shardmill::protocol
