#include "engine/hot_keys.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/hash.h"
#include "engine/command_server.h"

namespace shardmill::engine {
namespace {

constexpr base::UnixSeconds kStart = 1'700'000'000;
constexpr std::uint32_t kPeriod = 64;

class HotKeysTest : public testing::Test {
 protected:
    void add(const std::string& key, base::UnixSeconds now) {
        hot_.add(key, base::hash_key(key), now);
    }
    std::vector<HotKey> top(base::UnixSeconds now, std::size_t count) {
        std::vector<HotKey> all;
        hot_.list(now, all);
        return hottest(std::move(all), count);
    }

    HotKeys hot_{kPeriod};
};

TEST_F(HotKeysTest, KnowsNothingAtFirst) { EXPECT_TRUE(top(kStart, 10).empty()); }

TEST_F(HotKeysTest, TellsRatesOfTheLastMinuteAndTheLastTen) {
    // One sampled request a second: 64 requests a second.
    for (base::UnixSeconds now = kStart; now < kStart + 3600; ++now) add("steady", now);
    const auto found = top(kStart + 3600, 1);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].key, "steady");
    EXPECT_NEAR(found[0].per_second_1m, 64, 2);
    EXPECT_NEAR(found[0].per_second_10m, 64, 2);
}

TEST_F(HotKeysTest, ForgetsTheMinuteBeforeTheTen) {
    for (base::UnixSeconds now = kStart; now < kStart + 3600; ++now) add("was hot", now);
    const auto found = top(kStart + 3600 + 180, 1);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_LT(found[0].per_second_1m, 5);
    EXPECT_GT(found[0].per_second_10m, 40);
}

TEST_F(HotKeysTest, FindsTheHotKeysAmongManyOthers) {
    std::mt19937_64 random{1};
    base::UnixSeconds now = kStart;
    for (int i = 0; i < 100'000; ++i) {
        if (i % 100 == 0) ++now;
        const auto draw = random() % 100;
        add(draw < 10 ? fmt::format("hot{}", draw % 5) : fmt::format("cold{}", random()), now);
    }
    const auto found = top(now, 5);
    ASSERT_EQ(found.size(), 5u);
    for (const HotKey& key : found) {
        EXPECT_TRUE(key.key.starts_with("hot")) << key.key;
        // Two per cent of 100 sampled requests a second each.
        EXPECT_NEAR(key.per_second_1m, 2 * kPeriod, 0.4 * 2 * kPeriod) << key.key;
    }
}

TEST_F(HotKeysTest, KeepsKeysOfAnyBytesAndOfTheLongestLength) {
    const std::string key = std::string("\0\r\n\xff", 4) + std::string(246, 'k');
    add(key, kStart);
    ASSERT_EQ(top(kStart, 1).size(), 1u);
    EXPECT_EQ(top(kStart, 1)[0].key, key);
}

TEST(HotSampleTest, LooksAtOneOperationIn128InTheMean) {
    HotSample sample;
    int looks = 0;
    for (int i = 0; i < 1'280'000; ++i) looks += sample.due();
    EXPECT_NEAR(looks, 10'000, 500);
}

TEST(StatsHotTest, NamesTheKeysThatAreReadAndThoseThatAreMissed) {
    CommandServer server;
    server.ask("set read%20often 0 0 1\r\nx\r\nset seldom 0 0 1\r\nx\r\n");
    for (int i = 0; i < 2000; ++i) {
        server.ask("get read%20often\r\nget read%20often missed\r\n");
        if (i % 100 == 0) server.ask("mg seldom v\r\n");
    }
    const std::string hits = server.ask("stats hot\r\n");
    EXPECT_TRUE(hits.starts_with("STAT hot:1:key read%2520often\r\nSTAT hot:1:per_second_1m "))
        << hits;
    EXPECT_EQ(hits.find("missed"), std::string::npos) << hits;
    const std::string misses = server.ask("stats hot_misses 1\r\n");
    EXPECT_TRUE(misses.starts_with("STAT hot:1:key missed\r\nSTAT hot:1:per_second_1m ")) << misses;
    EXPECT_TRUE(misses.ends_with("END\r\n")) << misses;
    EXPECT_EQ(misses.find("hot:2"), std::string::npos);
    server.expect({{"stats hot 0\r\n", "CLIENT_ERROR bad command line format\r\n"},
                   {"stats hot x\r\n", "CLIENT_ERROR bad command line format\r\n"},
                   {"stats ho\r\n", "ERROR\r\n"}});
}

TEST(HottestTest, AddsUpWhatSeveralReactorsHaveSeen) {
    const auto found = hottest({{"a", 1, 1}, {"b", 2, 2}, {"a", 3, 4}, {"c", 1, 9}}, 2);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].key, "a");
    EXPECT_EQ(found[0].per_second_1m, 4);
    EXPECT_EQ(found[0].per_second_10m, 5);
    EXPECT_EQ(found[1].key, "b");
}

}  // namespace
}  // namespace shardmill::engine
