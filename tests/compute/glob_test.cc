#include "compute/glob.h"

#include <gtest/gtest.h>

namespace shardmill::compute {
namespace {

bool matches(std::string_view pattern, std::string_view key) {
    const auto glob = Glob::compile(pattern);
    EXPECT_TRUE(glob.has_value()) << pattern;
    return glob && glob->matches(key);
}

TEST(GlobTest, MatchesTheWholeKey) {
    EXPECT_TRUE(matches("abc", "abc"));
    EXPECT_FALSE(matches("abc", "abcd"));
    EXPECT_FALSE(matches("abc", "ab"));
    EXPECT_TRUE(matches("", ""));
    EXPECT_FALSE(matches("", "a"));
}

TEST(GlobTest, MatchesRunsAndSingleBytes) {
    EXPECT_TRUE(matches("*", ""));
    EXPECT_TRUE(matches("a*c*e", "abcde"));
    EXPECT_TRUE(matches("a**e", "ae"));
    EXPECT_TRUE(matches("*ab", "aab"));
    EXPECT_FALSE(matches("*ab", "aba"));
    EXPECT_TRUE(matches("?b?", "abc"));
    EXPECT_FALSE(matches("?", ""));
}

TEST(GlobTest, MatchesSets) {
    EXPECT_TRUE(matches("[abc]", "b"));
    EXPECT_TRUE(matches("[a-c]x", "cx"));
    EXPECT_FALSE(matches("[!a-c]", "b"));
    EXPECT_TRUE(matches("[!a-c]", "\xff"));
    EXPECT_TRUE(matches("[]a]", "]"));
    EXPECT_TRUE(matches("[a-]", "-"));
    EXPECT_TRUE(matches("[\\]]", "]"));
}

TEST(GlobTest, TakesTheMeaningFromWhatFollowsABackslash) {
    EXPECT_TRUE(matches("\\*", "*"));
    EXPECT_FALSE(matches("\\*", "a"));
}

TEST(GlobTest, RefusesWhatIsNotClosed) {
    EXPECT_EQ(Glob::compile("ab[c").error().position, 2u);
    EXPECT_EQ(Glob::compile("ab\\").error().position, 2u);
    EXPECT_EQ(Glob::compile("[z-a]").error().position, 3u);
}

TEST(GlobTest, StaysFastOnNastyPatterns) {
    std::string pattern;
    for (int run = 0; run < 50; ++run) pattern += "*a";
    EXPECT_FALSE(matches(pattern + "b", std::string(250, 'a')));
}

}  // namespace
}  // namespace shardmill::compute
