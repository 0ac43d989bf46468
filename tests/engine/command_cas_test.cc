#include <gtest/gtest.h>

#include <string>

#include "command_server.h"

namespace shardmill::engine {
namespace {

// What -C leaves of CAS: values are shown as 0 and nothing but a missing comparison matches.

TEST(CommandCasTest, DisabledValuesAreShownAsZero) {
    CommandServer server({.cas_enabled = false});
    server.expect({
        {"set a 0 0 1\r\n1\r\n", "STORED\r\n"},
        {"gets a\r\n", "VALUE a 0 1 0\r\n1\r\nEND\r\n"},
        {"gats 0 a\r\n", "VALUE a 0 1 0\r\n1\r\nEND\r\n"},
        {"mg a c v\r\n", "VA 1 c0\r\n1\r\n"},
        {"ms a 1 c\r\n1\r\n", "HD c0\r\n"},
        {"ms a 1 E77 c\r\n1\r\n", "HD c0\r\n"},
        {"ma a c\r\n", "HD c0\r\n"},
        {"mg b N0 c\r\n", "HD c0 W\r\n"},
        {"me a\r\n", "ME a exp=-1 la=0 cas=0 fetch=yes cls=1 size=53\r\n"},
    });
}

TEST(CommandCasTest, DisabledComparisonsFail) {
    CommandServer server({.cas_enabled = false});
    server.expect({
        {"set a 0 0 1\r\n1\r\n", "STORED\r\n"},
        {"cas a 0 0 1 0\r\n2\r\n", "EXISTS\r\n"},
        {"cas a 0 0 1 7\r\n2\r\n", "EXISTS\r\n"},
        {"cas none 0 0 1 7\r\n2\r\n", "NOT_FOUND\r\n"},
        {"ms a 1 C0 c\r\n2\r\n", "EX c0\r\n"},
        {"ms a 1 C5 c\r\n2\r\n", "EX c0\r\n"},
        {"ms a 1 C5 I c\r\n2\r\n", "EX c0\r\n"},
        {"ma a C5\r\n", "EX\r\n"},
        {"ma a C0 v\r\n", "VA 1\r\n2\r\n"},
        {"md a C5\r\n", "EX\r\n"},
        {"mg a C0 v\r\n", "HD\r\n"},
        {"md a C0\r\n", "HD\r\n"},
    });
}

TEST(CommandCasTest, ItemsAreEightBytesSmallerWithoutCas) {
    const auto reply_to = [](bool cas_enabled, std::size_t bytes) {
        CommandServer server({.item_bytes_max = 1024, .cas_enabled = cas_enabled});
        return server.ask("set foo 0 0 " + std::to_string(bytes) + "\r\n" +
                          std::string(bytes, 'x') + "\r\n");
    };
    constexpr std::size_t kFits = 1024 - 48 - 3 - 1 - 8 - 2;
    constexpr const char* kTooLarge = "SERVER_ERROR object too large for cache\r\n";
    EXPECT_EQ(reply_to(true, kFits), "STORED\r\n");
    EXPECT_EQ(reply_to(true, kFits + 1), kTooLarge);
    EXPECT_EQ(reply_to(false, kFits + 8), "STORED\r\n");
    EXPECT_EQ(reply_to(false, kFits + 9), kTooLarge);
}

}  // namespace
}  // namespace shardmill::engine
