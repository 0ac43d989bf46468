// The limit changes while the store is in use, and values on their way are bounded.

#include <fmt/format.h>

#include "shard_fixture.h"

namespace shardmill::store {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

class MemoryLimitTest : public ShardTest {
 protected:
    void make_raisable(std::uint64_t bytes, std::uint64_t limit_max, bool evict = true) {
        shard_.reset();
        SegmentPool::Config config = pool_config(bytes);
        config.limit_max = limit_max;
        pool_ = std::make_unique<SegmentPool>(config);
        shard_ = std::make_unique<Shard>(0, *pool_, ShardConfig{bytes, evict});
    }
    void raise(std::uint64_t bytes) {
        std::vector<std::uint32_t> room;
        room.reserve(pool_->units_for(bytes));
        shard_->make_list_room(room);
        ASSERT_TRUE(pool_->set_limit(bytes));
    }
    void fill(int items, std::size_t value_bytes = 100) {
        for (int i = 0; i < items; ++i) {
            ASSERT_TRUE(set(key(i), value(i, value_bytes)));
            pool_->release_freed_memory();
        }
    }
    static std::string key(int i) { return fmt::format("key{}", i); }
    static std::string value(int i, std::size_t bytes = 100) {
        return std::string(bytes, static_cast<char>('a' + i % 26));
    }
    /// Calls until nothing is left to do; their number.
    int keep_house() {
        int calls = 0;
        while (shard_->housekeep(now_)) {
            pool_->release_freed_memory();
            ++calls;
        }
        while (pool_->release_freed_memory()) {
        }
        return calls;
    }
    /// Every item that is there has its own value; how many there are.
    int check_items(int items, std::size_t value_bytes = 100) {
        int found = 0;
        for (int i = 0; i < items; ++i) {
            const auto present = get(key(i));
            if (!present) continue;
            EXPECT_EQ(*present, value(i, value_bytes)) << key(i);
            ++found;
        }
        return found;
    }
};

TEST_F(MemoryLimitTest, LoweringReclaimsStepByStepAndKeepsTheRest) {
    make(32 * kMiB);
    fill(150'000);
    ASSERT_GT(pool_->charged_bytes(), 18 * kMiB);
    ASSERT_TRUE(pool_->set_limit(8 * kMiB));
    EXPECT_TRUE(pool_->over_limit());
    const std::uint64_t before = pool_->charged_bytes();
    ASSERT_TRUE(shard_->housekeep(now_));
    EXPECT_GT(pool_->charged_bytes() + kMiB, before) << "one step gives back a segment, not all";
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 8 * kMiB);
    EXPECT_GT(pool_->charged_bytes(), 6 * kMiB) << "and no more than it must";
    EXPECT_GT(check_items(150'000), 30'000);
}

TEST_F(MemoryLimitTest, AnIndexThatIsTooLargeShrinks) {
    make(64 * kMiB);
    fill(600'000, 0);
    const std::uint64_t index_before = shard_->stats().index_bytes;
    ASSERT_GT(index_before, 5 * kMiB);
    ASSERT_TRUE(pool_->set_limit(8 * kMiB));
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 8 * kMiB);
    EXPECT_LT(shard_->stats().index_bytes, index_before / 2);
    EXPECT_GT(check_items(600'000, 0), 50'000);
    // It grows again where there is room.
    ASSERT_TRUE(pool_->set_limit(64 * kMiB));
    fill(300'000, 0);
    EXPECT_EQ(check_items(300'000, 0), 300'000);
}

TEST_F(MemoryLimitTest, BuffersOfConnectionsTakeTheirMemoryFromTheItemsStepByStep) {
    make(32 * kMiB);
    fill(300'000);
    const std::uint64_t ghosts = shard_->stats().ghost_bytes;
    ASSERT_GT(ghosts, 0u);
    pool_->charge_buffers(0, 14 * kMiB);
    ASSERT_EQ(pool_->budget(), 24 * kMiB);
    ASSERT_TRUE(pool_->over_limit());
    const std::uint64_t before = pool_->charged_bytes();
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(set(fmt::format("more{}", i), value(i)));
    EXPECT_LE(pool_->charged_bytes(), before) << "requests do not do the housekeeping's work";
    EXPECT_GT(keep_house(), 10);
    EXPECT_LE(pool_->charged_bytes(), 24 * kMiB);
    EXPECT_GT(pool_->charged_bytes(), 22 * kMiB);
    EXPECT_EQ(shard_->stats().ghost_bytes, ghosts) << "a quarter less is no reason to forget";
    // A limit that is lowered counts with them.
    ASSERT_TRUE(pool_->set_limit(16 * kMiB));
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 8 * kMiB);
    pool_->charge_buffers(14 * kMiB, 0);
    fill(150'000);
    EXPECT_GT(pool_->charged_bytes(), 15 * kMiB);
}

TEST_F(MemoryLimitTest, StoringGoesOnWhileTheLimitIsExceeded) {
    make(32 * kMiB);
    fill(150'000);
    ASSERT_TRUE(pool_->set_limit(4 * kMiB));
    const std::uint64_t before = pool_->charged_bytes();
    const std::uint64_t evictions = shard_->stats().evictions;
    for (int i = 0; i < 20'000; ++i) {
        ASSERT_TRUE(set(fmt::format("more{}", i), value(i)));
        ASSERT_LE(pool_->charged_bytes(), before);
    }
    EXPECT_TRUE(pool_->over_limit()) << "requests do not do the housekeeping's work";
    EXPECT_LT(shard_->stats().evictions - evictions, 60'000u) << "they take about what they need";
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(set("large", std::string(500'000, 'x'))) << i;
    ASSERT_LE(pool_->charged_bytes(), before);
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 4 * kMiB);
    ASSERT_TRUE(set("large", std::string(500'000, 'x')));
    EXPECT_EQ(get("large"), std::string(500'000, 'x'));
}

TEST_F(MemoryLimitTest, LargeItemsGiveWayToo) {
    make(32 * kMiB);
    fill(25, 1'000'000);
    ASSERT_TRUE(pool_->set_limit(8 * kMiB));
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 8 * kMiB);
    EXPECT_GT(check_items(25, 1'000'000), 5);
}

TEST_F(MemoryLimitTest, RaisingHoldsAtOnce) {
    make_raisable(4 * kMiB, 32 * kMiB);
    fill(60'000);
    EXPECT_GT(shard_->stats().evictions, 0u);
    raise(32 * kMiB);
    const std::uint64_t evictions = shard_->stats().evictions;
    fill(150'000);
    EXPECT_EQ(shard_->stats().evictions, evictions);
    EXPECT_EQ(check_items(150'000), 150'000);
    EXPECT_TRUE(set("large", std::string(10'000'000, 'x')));
    EXPECT_FALSE(pool_->set_limit(33 * kMiB)) << "there are no addresses for more";
}

TEST_F(MemoryLimitTest, WithoutEvictionALowerLimitOnlyRefuses) {
    make(8 * kMiB, false);
    fill(20'000);
    ASSERT_TRUE(pool_->set_limit(2 * kMiB));
    keep_house();
    EXPECT_EQ(check_items(20'000), 20'000);
    EXPECT_EQ(set("more", std::string(100'000, 'x')).error(), StoreError::NoMemory);
    for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(erase(key(i)));
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 2 * kMiB);
    EXPECT_TRUE(set("more", std::string(100'000, 'x')));
}

TEST_F(MemoryLimitTest, AScanThatStandsInTheWayFailsAndNothingElseDoes) {
    make(16 * kMiB);
    fill(80'000);
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    ASSERT_TRUE(pool_->set_limit(2 * kMiB));
    keep_house();
    EXPECT_LE(pool_->charged_bytes(), 2 * kMiB);
    EXPECT_TRUE(cut.state->failed);
    release(cut);
    keep_house();
    EXPECT_EQ(shard_->stats().pinned_bytes, 0u);
}

TEST_F(MemoryLimitTest, ValuesOnTheirWayHoldHalfOfTheMemoryAtMost) {
    make(16 * kMiB);
    fill(80'000);
    const std::uint64_t items = shard_->stats().items;
    std::vector<Reservation> reservations;
    while (const auto reservation = shard_->reserve(3, 1'000'000, now_)) {
        reservations.push_back(*reservation);
        ASSERT_LT(reservations.size(), 16u);
    }
    EXPECT_EQ(reservations.size(), 8u);
    EXPECT_EQ(shard_->reserve(3, 1'000'000, now_).error(), StoreError::NoMemory);
    EXPECT_GT(shard_->stats().items, items / 4) << "what is there is not all given up for them";
    const auto existing = shard_->find(hashed("new"), now_);
    ASSERT_FALSE(existing);
    ASSERT_TRUE(shard_->commit(reservations.back(), {.key = hashed("new")}, nullptr, now_));
    reservations.pop_back();
    EXPECT_TRUE(shard_->reserve(3, 900'000, now_)) << "a complete one counts no longer";
    for (const Reservation& reservation : reservations) shard_->abandon(reservation);
    EXPECT_LE(pool_->upload_bytes(), kMiB);
}

TEST_F(MemoryLimitTest, MuchFreedMemoryGoesBackInSteps) {
    make(64 * kMiB);
    ASSERT_TRUE(set("large", std::string(30'000'000, 'x')));
    ASSERT_TRUE(erase("large"));
    int steps = 1;
    while (pool_->release_freed_memory()) ++steps;
    EXPECT_GT(steps, 4);
    const auto run = pool_->acquire_run(30'000'000);
    ASSERT_TRUE(run);
    EXPECT_EQ(pool_->data(*run)[29'000'000], 0) << "all of it went back to the system";
    pool_->segment(*run).capacity = 30'000'000;
    pool_->release_run(*run, 30'000'000);
}

TEST(ShardSetLimitTest, TakesLimitsThatItCanKeep) {
    ShardSet shards({.memory_limit = 64 * kMiB, .shards = 4, .limit_max = 1024 * kMiB});
    EXPECT_TRUE(shards.set_memory_limit(8 * kMiB));
    EXPECT_EQ(shards.memory_limit(), 8 * kMiB);
    EXPECT_TRUE(shards.set_memory_limit(1024 * kMiB));
    EXPECT_FALSE(shards.set_memory_limit(1025 * kMiB));
    EXPECT_FALSE(shards.set_memory_limit(kMiB / 2)) << "each shard has segments open";
    EXPECT_EQ(shards.memory_limit(), 1024 * kMiB);
}

TEST(SharedLimitTest, AShardThatIsLookedAfterMoreOftenKeepsItsShare) {
    constexpr std::uint64_t kShare = 16 * kMiB;
    SegmentPool pool(
        {.memory_limit = 2 * kShare, .segment_bytes = 64u << 10, .item_bytes_max = kMiB});
    Shard first(0, pool, {.share_bytes = kShare});
    Shard second(1, pool, {.share_bytes = kShare});
    const std::string value(1000, 'v');
    for (int i = 0; i < 20'000; ++i) {
        const std::string key = fmt::format("key{}", i);
        for (Shard* shard : {&first, &second}) {
            ASSERT_TRUE(shard->put({.key = hashed(key), .value_head = value}, nullptr, kStart));
        }
    }
    ASSERT_TRUE(pool.set_limit(8 * kMiB));
    for (int i = 0; i < 1000; ++i) first.housekeep(kStart);
    EXPECT_GT(first.stats().segment_bytes, 3 * kMiB);
    for (int i = 0; i < 1000; ++i) second.housekeep(kStart);
    while (pool.release_freed_memory()) {
    }
    EXPECT_LE(pool.charged_bytes(), 8 * kMiB);
    // Neither has been drained so far that a large value finds nothing to push out.
    const std::string large(900'000, 'v');
    for (Shard* shard : {&first, &second}) {
        EXPECT_TRUE(shard->put({.key = hashed("large"), .value_head = large}, nullptr, kStart));
    }
}

}  // namespace
}  // namespace shardmill::store
