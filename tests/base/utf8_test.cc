#include "base/utf8.h"

#include <gtest/gtest.h>

namespace shardmill::base {
namespace {

TEST(Utf8Test, RefusesOverlongAndSurrogateSequences) {
    EXPECT_EQ(utf8_sequence("a"), 1u);
    EXPECT_EQ(utf8_sequence("ü"), 2u);
    EXPECT_EQ(utf8_sequence("€"), 3u);
    EXPECT_EQ(utf8_sequence("\xf0\x9f\x98\x80"), 4u);
    for (const char* bad : {"", "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                            "\xf5\x80\x80\x80", "\xf0\x80\x80\x80", "\xc3", "\xc3("}) {
        EXPECT_EQ(utf8_sequence(bad), 0u);
    }
}

TEST(Utf8Test, LooksAtAllOfAText) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("Köln\t\x01"));
    EXPECT_FALSE(is_utf8("K\xf6ln"));
    EXPECT_FALSE(is_utf8("K\xc3"));
}

}  // namespace
}  // namespace shardmill::base
