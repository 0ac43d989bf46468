#include "config/values.h"

#include <gtest/gtest.h>

namespace shardmill::config {
namespace {

TEST(ConfigValuesTest, ReadsSizesWithSuffixes) {
    EXPECT_EQ(parse_bytes("1024"), 1024u);
    EXPECT_EQ(parse_bytes("2k"), 2048u);
    EXPECT_EQ(parse_bytes("1M"), 1u << 20);
    EXPECT_EQ(parse_bytes("1g"), 1u << 30);
}

TEST(ConfigValuesTest, RefusesSizesThatAreNotNumbers) {
    for (const char* text : {"", "k", "1kk", "-1", "+1", "1.5m", "1 m", "0x10", "99999999999g"}) {
        EXPECT_FALSE(parse_bytes(text)) << text;
    }
}

TEST(ConfigValuesTest, ReadsMasksInOctal) {
    EXPECT_EQ(parse_mask("700"), 0700u);
    EXPECT_EQ(parse_mask("0"), 0u);
    for (const char* text : {"", "800", "1000", "rwx"}) EXPECT_FALSE(parse_mask(text)) << text;
}

TEST(ConfigValuesTest, ReadsListenAddresses) {
    const struct {
        const char* text;
        ListenAddress expected;
    } cases[] = {
        {"127.0.0.1", {"127.0.0.1", 7}},
        {"127.0.0.1:99", {"127.0.0.1", 99}},
        {"*", {"", 7}},
        {"*:99", {"", 99}},
        {"::1", {"::1", 7}},
        {"[::1]", {"::1", 7}},
        {"[::1]:99", {"::1", 99}},
        {"localhost:99", {"localhost", 99}},
    };
    for (const auto& test : cases) {
        const auto address = parse_listen_address(test.text, 7);
        ASSERT_TRUE(address) << test.text;
        EXPECT_EQ(*address, test.expected) << test.text;
    }
}

TEST(ConfigValuesTest, RefusesBadListenAddresses) {
    for (const char* text : {"[::1", "[::1]x", "host:", "host:0", "host:65536", "host:a"}) {
        EXPECT_FALSE(parse_listen_address(text, 7)) << text;
    }
}

TEST(ConfigValuesTest, SplitsWithoutEmptyParts) {
    EXPECT_EQ(split("a,b;;c,", ",;"), (std::vector<std::string_view>{"a", "b", "c"}));
    EXPECT_TRUE(split("", ",").empty());
}

}  // namespace
}  // namespace shardmill::config
