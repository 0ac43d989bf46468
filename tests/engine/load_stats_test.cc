#include "engine/load_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_server.h"

namespace shardmill::engine {
namespace {

using runtime::TurnHistogram;
using testing::HasSubstr;
using testing::Not;

TEST(TurnHistogramTest, BucketsFollowEachOtherAndHoldWhatIsShorterThanTheirEnd) {
    std::size_t last = 0;
    for (std::uint64_t us = 0; us < 700'000; ++us) {
        const std::size_t bucket = TurnHistogram::bucket_of(us * 1000 + 999);
        ASSERT_LT(us, TurnHistogram::end_us(bucket));
        ASSERT_TRUE(bucket == last || bucket == last + 1) << us;
        if (bucket != last) {
            ASSERT_EQ(TurnHistogram::end_us(last), us);
        }
        last = bucket;
    }
    EXPECT_EQ(TurnHistogram::bucket_of(~std::uint64_t{0}), TurnHistogram::kBuckets - 1);
}

TEST(LoadStatsTest, PercentilesAreTheEndsOfBuckets) {
    TurnHistogram histogram;
    for (int i = 0; i < 98; ++i) histogram.add(5'500);
    histogram.add(100'000);
    histogram.add(2'000'000);
    const TurnCounts turns = TurnCounts::of(histogram);
    EXPECT_EQ(turns.turns(), 100u);
    EXPECT_EQ(turns.busy_ns, 98u * 5'500 + 2'100'000);
    EXPECT_EQ(turns.under_us(0.5), 6u);
    EXPECT_EQ(turns.under_us(0.99), 128u);
    EXPECT_EQ(turns.under_us(1), TurnHistogram::end_us(TurnHistogram::bucket_of(2'000'000)));
    EXPECT_EQ(TurnCounts{}.under_us(0.99), 0u);
}

TEST(LoadStatsTest, ReportsEachReactorAndCountsFromZeroAfterAReset) {
    CommandServer server;
    TurnHistogram first;
    TurnHistogram second;
    server.statistics().set_turn_lengths({&first, &second});
    first.add(10'500);
    second.add(900'000);
    second.add(900'000);
    const std::string turns = server.ask("stats turns\r\n");
    EXPECT_THAT(turns, HasSubstr("STAT reactor:0:turns 1\r\nSTAT reactor:0:busy_us 10\r\n"));
    EXPECT_THAT(turns, HasSubstr("STAT reactor:0:under_us:12 1\r\n"));
    EXPECT_THAT(turns, HasSubstr("STAT reactor:1:under_us:1024 2\r\nEND\r\n"));
    EXPECT_EQ(server.stat("turn_max_us"), 1024u);
    server.ask("stats reset\r\n");
    first.add(1'500);
    EXPECT_EQ(server.stat("turn_max_us"), 2u);
    EXPECT_THAT(server.ask("stats turns\r\n"), HasSubstr("STAT reactor:1:turns 0\r\n"));
}

TEST(LoadStatsTest, LocksNobodyWaitedForAreNotListed) {
    std::string reply;
    append_locks(reply, std::vector<store::LockWaits>{{}, {3, 4'500}, {1, 700}});
    EXPECT_EQ(reply,
              "STAT contended 4\r\nSTAT wait_us 5\r\n"
              "STAT shard:1:contended 3\r\nSTAT shard:1:wait_us 4\r\n"
              "STAT shard:2:contended 1\r\nSTAT shard:2:wait_us 0\r\n");
    CommandServer server;
    EXPECT_EQ(server.ask("stats locks\r\n"), "STAT contended 0\r\nSTAT wait_us 0\r\nEND\r\n");
}

}  // namespace
}  // namespace shardmill::engine
