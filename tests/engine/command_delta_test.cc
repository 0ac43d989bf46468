#include <gtest/gtest.h>

#include <string>

#include "command_server.h"
#include "engine/delta.h"

namespace shardmill::engine {
namespace {

const std::string kNotNumeric = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";

TEST(CommandDeltaTest, CountsUpAndDown) {
    CommandServer server;
    server.expect({
        {"incr n 1\r\n", "NOT_FOUND\r\n"},
        {"decr n 1\r\n", "NOT_FOUND\r\n"},
        {"set n 5 100 2\r\n10\r\n", "STORED\r\n"},
        {"incr n 5\r\n", "15\r\n"},
        {"incr n 0\r\n", "15\r\n"},
        {"decr n 4\r\n", "11\r\n"},
        {"incr n 100\r\n", "111\r\n"},
        {"mg n v f t\r\n", "VA 3 f5 t100\r\n111\r\n"},
        {"incr n 1 noreply\r\n", ""},
        {"get n\r\n", "VALUE n 5 3\r\n112\r\nEND\r\n"},
        {"incr n x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"},
        {"incr n -1\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"},
    });
    EXPECT_EQ(server.stat("incr_hits"), 4u);
    EXPECT_EQ(server.stat("incr_misses"), 1u);
    EXPECT_EQ(server.stat("decr_hits"), 1u);
    EXPECT_EQ(server.stat("decr_misses"), 1u);
}

TEST(CommandDeltaTest, WrapsAtTheTopAndStopsAtZero) {
    CommandServer server;
    server.expect({
        {"set n 0 0 20\r\n18446744073709551615\r\n", "STORED\r\n"},
        {"incr n 2\r\n", "1\r\n"},
        {"decr n 5\r\n", "0\r\n"},
        {"incr n 18446744073709551615\r\n", "18446744073709551615\r\n"},
        {"incr n 18446744073709551616\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"},
    });
}

TEST(CommandDeltaTest, AShorterNumberIsPaddedToTheOldLength) {
    CommandServer server;
    server.expect({
        {"set n 0 0 3\r\n100\r\n", "STORED\r\n"},
        {"decr n 1\r\n", "99\r\n"},
        {"get n\r\n", "VALUE n 0 3\r\n99 \r\nEND\r\n"},
        {"incr n 1\r\n", "100\r\n"},
        {"get n\r\n", "VALUE n 0 3\r\n100\r\nEND\r\n"},
        {"incr n 900\r\n", "1000\r\n"},
        {"get n\r\n", "VALUE n 0 4\r\n1000\r\nEND\r\n"},
    });
}

TEST(CommandDeltaTest, PaddingDoesNotDependOnWhoHasSeenTheItem) {
    CommandServer server;
    server.ask("set n 0 0 3\r\n100\r\n");
    const std::string before = server.ask("gets n\r\n");
    server.expect({{"decr n 1\r\n", "99\r\n"}, {"get n\r\n", "VALUE n 0 3\r\n99 \r\nEND\r\n"}});
    EXPECT_NE(server.ask("gets n\r\n"), before) << "a new value has a new CAS";
}

TEST(CommandDeltaTest, ANumberChangedInPlaceStaysStaleAndItsTokenOut) {
    CommandServer server;
    server.expect({
        {"set n 0 0 2\r\n10\r\n", "STORED\r\n"},
        {"md n I\r\n", "HD\r\n"},
        {"incr n 1\r\n", "11\r\n"},
        {"mg n v\r\n", "VA 2 X W\r\n11\r\n"},
        {"incr n 1\r\n", "12\r\n"},
        {"mg n v\r\n", "VA 2 Z X\r\n12\r\n"},
    });
    server.ask("gets n\r\n");  // from here on the item is replaced, not overwritten
    server.expect({{"decr n 9\r\n", "3\r\n"}, {"mg n v\r\n", "VA 2 Z X\r\n3 \r\n"}});
}

TEST(CommandDeltaTest, WhatIsNotANumberIsRefusedAndKept) {
    CommandServer server;
    for (const std::string value : {"", " ", "x", "1x", "-1", "18446744073709551616", "0x10"}) {
        const std::string data = std::to_string(value.size()) + "\r\n" + value + "\r\n";
        server.expect({
            {"set n 0 0 " + data, "STORED\r\n"},
            {"incr n 1\r\n", kNotNumeric},
            {"decr n 1\r\n", kNotNumeric},
            {"decr n 1 noreply\r\n", ""},
            {"get n\r\n", "VALUE n 0 " + data + "END\r\n"},
        });
    }
}

TEST(CommandDeltaTest, NumbersMayHaveBlanksAndASign) {
    CommandServer server;
    server.expect({
        {"set n 0 0 4\r\n +5 \r\n", "STORED\r\n"},
        {"incr n 4\r\n", "9\r\n"},
        {"get n\r\n", "VALUE n 0 4\r\n9   \r\nEND\r\n"},
        {"set n 0 0 6\r\n12 abc\r\n", "STORED\r\n"},
        {"incr n 1\r\n", "13\r\n"},
        {"get n\r\n", "VALUE n 0 6\r\n13    \r\nEND\r\n"},
        {"set n 0 0 3\r\n007\r\n", "STORED\r\n"},
        {"incr n 1\r\n", "8\r\n"},
        {"get n\r\n", "VALUE n 0 3\r\n8  \r\nEND\r\n"},
    });
}

TEST(CommandDeltaTest, ANumberLostInBlanksKeepsThem) {
    CommandServer server;
    const std::string blanks(2000, ' ');
    const std::string eight = "VALUE n 0 2001\r\n8" + blanks + "\r\nEND\r\n";
    server.expect({
        {"set n 0 0 2001\r\n7" + blanks + "\r\n", "STORED\r\n"},
        {"incr n 1\r\n", "8\r\n"},
        {"get n\r\n", eight},
    });
    server.ask("gets n\r\n");  // from here on the item is replaced, not overwritten
    server.expect({{"incr n 0\r\n", "8\r\n"}, {"get n\r\n", eight}});
}

TEST(CommandDeltaTest, WhatIsHalfAMebibyteLongIsNoNumber) {
    CommandServer server;
    const std::string blanks((512u << 10) - 61, ' ');  // with key and header still half a mebibyte
    for (const bool one_more : {false, true}) {
        const std::string value = (one_more ? "12" : "1") + blanks;
        server.ask("set n 0 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n");
        server.expect({{"incr n 1\r\n", one_more ? kNotNumeric : "2\r\n"}});
    }
}

TEST(DeltaTest, ParsesAsStrtoullDoes) {
    EXPECT_EQ(parse_counter("0"), 0u);
    EXPECT_EQ(parse_counter("18446744073709551615"), UINT64_MAX);
    EXPECT_EQ(parse_counter("\t 42\t"), 42u);
    EXPECT_EQ(parse_counter(std::string_view("1\0\0", 3)), 1u);
    EXPECT_EQ(parse_counter("-0"), 0u);
    EXPECT_EQ(parse_counter("-18446744073709551615"), 1u);
    EXPECT_EQ(parse_counter("-9223372036854775808"), std::nullopt);
    EXPECT_EQ(parse_counter("+"), std::nullopt);
    EXPECT_EQ(parse_counter("+-1"), std::nullopt);
    EXPECT_EQ(parse_counter("- 1"), std::nullopt);
    EXPECT_EQ(parse_counter("1.5"), std::nullopt);
}

}  // namespace
}  // namespace shardmill::engine
