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

TEST(ConfigValuesTest, ReadsWholeNumbersAtTheBeginning) {
    const struct {
        const char* text;
        std::int64_t value;
        bool whole;
    } cases[] = {{"64", 64, true}, {"-1", -1, true}, {"+7", 7, true}, {"64m", 64, false}};
    for (const auto& test : cases) {
        const auto number = parse_leading_integer(test.text);
        ASSERT_TRUE(number) << test.text;
        EXPECT_EQ(number->value, test.value);
        EXPECT_EQ(number->whole, test.whole) << test.text;
    }
    for (const char* text : {"", "m", "-", "+-1", "99999999999999999999"}) {
        EXPECT_FALSE(parse_leading_integer(text)) << text;
    }
}

TEST(ConfigValuesTest, ReadsFractionsAtTheBeginning) {
    EXPECT_EQ(parse_leading_fraction("1.25")->value, 1.25);
    EXPECT_EQ(parse_leading_fraction("2")->value, 2.0);
    EXPECT_FALSE(parse_leading_fraction("1.5x")->whole);
    for (const char* text : {"", "x", "nan", "inf", "1e999"}) {
        EXPECT_FALSE(parse_leading_fraction(text)) << text;
    }
}

TEST(ConfigValuesTest, SplitsWithoutEmptyParts) {
    EXPECT_EQ(split("a,b;;c,", ",;"), (std::vector<std::string_view>{"a", "b", "c"}));
    EXPECT_TRUE(split("", ",").empty());
}

}  // namespace
}  // namespace shardmill::config
