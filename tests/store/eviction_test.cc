// What stays and what goes when a shard is full.

#include <fmt/format.h>

#include <random>

#include "shard_fixture.h"

namespace shardmill::store {
namespace {

class EvictionTest : public ShardTest {
 protected:
    /// A get, and a set on a miss, as a cache is used. True: it was a hit.
    bool use(const std::string& key, std::size_t bytes, std::uint32_t exptime = 0) {
        if (get(key)) return true;
        EXPECT_TRUE(set(key, std::string(bytes, 'v'), exptime));
        return false;
    }
    double live_share() const {
        const ShardStats stats = shard_->stats();
        return static_cast<double>(stats.item_bytes) / static_cast<double>(stats.segment_bytes);
    }
};

TEST_F(EvictionTest, AStreamOfLargeItemsDoesNotPushOutSmallOnesThatAreRead) {
    for (int i = 0; i < 5000; ++i) use(fmt::format("small{}", i), 100);
    int hits = 0;
    int uses = 0;
    for (int round = 0; round < 40; ++round) {
        for (int i = 0; i < 100; ++i) use(fmt::format("large{}-{}", round, i), 10'000);
        for (int i = 0; i < 5000; ++i, ++uses) hits += use(fmt::format("small{}", i), 100);
    }
    EXPECT_GT(hits, uses * 99 / 100);
}

TEST_F(EvictionTest, AKeyThatComesBackSoonIsRemembered) {
    for (int i = 0; i < 200'000; ++i) use(fmt::format("key{}", i), 100);
    EXPECT_GT(shard_->stats().ghost_bytes, 0u);
    std::vector<std::string> evicted;
    for (int i = 199'999; evicted.size() < 200; --i) {
        std::string key = fmt::format("key{}", i);
        if (!shard_->find(hashed(key), now_)) evicted.push_back(std::move(key));
    }
    for (const std::string& key : evicted) use(key, 100);
    EXPECT_GT(shard_->stats().ghost_hits, 150u);
    const std::uint64_t before = shard_->stats().ghost_hits;
    for (int i = 0; i < 1000; ++i) use(fmt::format("new{}", i), 100);
    EXPECT_LT(shard_->stats().ghost_hits - before, 10u);
}

TEST_F(EvictionTest, WeighingHitsByBytesKeepsLargerItems) {
    const auto large_hits = [this](double weight) {
        shard_.reset();
        pool_ = std::make_unique<SegmentPool>(pool_config(16u << 20));
        shard_ = std::make_unique<Shard>(
            0, *pool_, ShardConfig{.share_bytes = 16u << 20, .evict = true, .hit_weight = weight});
        std::mt19937_64 random{1};
        int hits = 0;
        for (int i = 0; i < 400'000; ++i) {
            const auto draw = random();
            const auto key = std::min(draw % 60'000, (draw >> 32) % 60'000);
            const bool large = key % 10 == 0;
            const bool hit = use(fmt::format("key{}", key), large ? 5000 : 200);
            hits += hit && large;
        }
        return hits;
    };
    EXPECT_GT(large_hits(1.0), large_hits(0.0) * 11 / 10);
}

TEST_F(EvictionTest, AFixedShareIsWhatItemsGetThatWereNotHit) {
    for (const std::uint32_t percent : {10u, 60u}) {
        shard_.reset();
        pool_ = std::make_unique<SegmentPool>(pool_config(4u << 20));
        shard_ = std::make_unique<Shard>(
            0, *pool_, ShardConfig{.share_bytes = 4u << 20, .small_share = percent});
        // Every other item is hit once and goes to main in the end; the rest never does.
        for (int i = 0; i < 80'000; ++i) {
            use(fmt::format("hit{}", i), 100);
            use(fmt::format("new{}", i), 100);
            use(fmt::format("hit{}", i), 100);
        }
        int there = 0;
        for (int i = 0; i < 80'000; ++i)
            there += shard_->find(hashed(fmt::format("new{}", i)), now_).has_value();
        const double items = static_cast<double>(shard_->stats().items);
        EXPECT_NEAR(2 * there / items, percent / 100.0, 0.05) << percent;
    }
}

TEST_F(EvictionTest, GarbageOfOverwritesIsCleaned) {
    std::mt19937_64 random{1};
    for (int i = 0; i < 600'000; ++i) {
        const std::string key = fmt::format("key{}", random() % 70'000);
        const std::size_t bytes = 50 + random() % 400;
        if (random() % 2 == 0) {
            ASSERT_TRUE(set(key, std::string(bytes, 'v')));
        } else {
            use(key, bytes);
        }
    }
    EXPECT_GT(live_share(), 0.85);
    EXPECT_GT(shard_->stats().evictions, 0u) << "the shard was never full";
}

TEST_F(EvictionTest, LongLivedItemsStayWhileExpiredOnesHoldMemory) {
    // Both kinds side by side in the same segments; the long-lived ones alone fit.
    for (int i = 0; i < 20'000; ++i) use(fmt::format("long{}", i), 200);
    for (int round = 0; round < 30; ++round) {
        for (int i = 0; i < 20'000; ++i) {
            use(fmt::format("short{}-{}", round, i), 200, now_ + 10);
        }
        now_ += 20;
    }
    EXPECT_EQ(shard_->stats().evictions, 0u);
    for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(get(fmt::format("long{}", i))) << i;
}

TEST_F(EvictionTest, ExpiredItemsGiveTheirMemoryBackUnasked) {
    for (int i = 0; i < 20'000; ++i) {
        use(fmt::format("short{}", i), 200, now_ + 30 + static_cast<std::uint32_t>(i % 30));
        if (i % 10 == 0) use(fmt::format("long{}", i), 200, now_ + 90 * 24 * 3600);
    }
    const std::uint64_t full = shard_->stats().segment_bytes;
    for (const std::uint32_t later : {70u, 3 * 24 * 3600u, 6 * 24 * 3600u}) {
        now_ = kStart + later;
        for (int i = 0; i < 1000; ++i) shard_->housekeep(now_);
        EXPECT_LT(shard_->stats().segment_bytes, full / 4) << later;
        // A few are left beside those that stay, in segments that are still being filled.
        EXPECT_GE(shard_->stats().items, 2000u) << later;
        EXPECT_LT(shard_->stats().items, 2500u) << later;
    }
    now_ = kStart + 91 * 24 * 3600;
    for (int i = 0; i < 1000; ++i) shard_->housekeep(now_);
    EXPECT_EQ(shard_->stats().items, 0u);
}

TEST_F(EvictionTest, TheIndexGivesItsMemoryBackAfterAFlush) {
    for (int i = 0; i < 100'000; ++i) use(fmt::format("key{}", i), 20);
    const std::uint64_t full = shard_->stats().index_bytes;
    shard_->flush_all(now_, now_);
    for (int turn = 0; turn < 2000; ++turn) {  // as a reactor does after every turn
        shard_->housekeep(now_);
        pool_->release_freed_memory();
    }
    EXPECT_LT(shard_->stats().index_bytes, full / 8);
    for (int i = 0; i < 100'000; ++i) use(fmt::format("key{}", i), 20);
    for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(get(fmt::format("key{}", i)));
}

TEST_F(EvictionTest, AShorterValueIsWrittenOverTheOldOne) {
    ASSERT_TRUE(set("before", "x"));
    ASSERT_TRUE(set("key", std::string(1000, 'a')));
    ASSERT_TRUE(set("behind", "y"));
    const auto first = shard_->find(hashed("key"), now_);
    const std::uint64_t bytes = shard_->stats().item_bytes;
    for (const std::size_t length : {999u, 997u, 990u, 700u, 500u}) {
        ASSERT_TRUE(set("key", std::string(length, 'b')));
        const auto now = shard_->find(hashed("key"), now_);
        EXPECT_EQ(now->item, first->item) << length;
        EXPECT_EQ(get("key"), std::string(length, 'b'));
    }
    EXPECT_EQ(shard_->stats().item_bytes, bytes - 500);
    // A walk passes over what is left behind the shorter value.
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(contents(cut),
              (std::map<std::string, std::string>{
                  {"before", "x"}, {"behind", "y"}, {"key", std::string(500, 'b')}}));
    release(cut);
    ASSERT_TRUE(set("key", std::string(600, 'c')));
    EXPECT_NE(shard_->find(hashed("key"), now_)->item, first->item);
}

TEST_F(EvictionTest, AHugeLeftoverIsPassedOver) {
    // The filler behind the shorter value needs a length of its own.
    shard_.reset();
    pool_ = std::make_unique<SegmentPool>(SegmentPool::Config{64u << 20, 1u << 20, 1u << 20});
    shard_ = std::make_unique<Shard>(0, *pool_, ShardConfig{64u << 20, true});
    ASSERT_TRUE(set("key", std::string(200'000, 'a')));
    ASSERT_TRUE(set("behind", "y"));
    ASSERT_TRUE(set("key", std::string(100'000, 'b')));
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(contents(cut).size(), 2u);
    EXPECT_EQ(contents(cut)["key"], std::string(100'000, 'b'));
    release(cut);
}

}  // namespace
}  // namespace shardmill::store
