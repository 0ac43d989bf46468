// No operation pays for more than a few steps of what a shard has to do: the work is counted, not
// timed.

#include <fmt/format.h>

#include <random>

#include "shard_fixture.h"

namespace shardmill::store {
namespace {

class BoundedWorkTest : public ShardTest {
 protected:
    static constexpr std::uint64_t kMemory = 8u << 20;
    static constexpr std::uint32_t kSegment = 64u << 10;

    void SetUp() override { make_sized(kMemory, kSegment); }
    void make_sized(std::uint64_t bytes, std::uint32_t segment_bytes) {
        shard_.reset();
        pool_ = std::make_unique<SegmentPool>(SegmentPool::Config{bytes, segment_bytes, 1u << 20});
        shard_ = std::make_unique<Shard>(0, *pool_, ShardConfig{.share_bytes = bytes});
    }

    /// Fails when `operation` has gone through more than it may; `stored_bytes` of an item make
    /// room for more than a small one's.
    template <typename Operation>
    void bounded(std::uint64_t stored_bytes, Operation&& operation) {
        const ShardStats before = shard_->stats();
        operation();
        const ShardStats after = shard_->stats();
        const std::uint64_t effort = 8192 + 4 * (stored_bytes + 32) + 16 * 512;
        ASSERT_LE(after.reclaim_looks - before.reclaim_looks, effort / 512);
        ASSERT_LE(after.moved_bytes - before.moved_bytes, effort + kLargest);
        ASSERT_LE(after.resize_looks - before.resize_looks, 256u);
        ASSERT_EQ(after.direct_reclaims, before.direct_reclaims);
        looked_ += after.reclaim_looks - before.reclaim_looks;
        resized_ += after.resize_looks - before.resize_looks;
    }
    void put(std::size_t bytes, std::uint32_t exptime = 0) {
        value_.resize(std::max(value_.size(), bytes), 'v');
        const std::string key = fmt::format("key{}", next_++);
        bounded(bytes, [&] {
            ASSERT_TRUE(shard_->put({.key = hashed(key),
                                     .value_head = std::string_view(value_).substr(0, bytes),
                                     .exptime = exptime},
                                    nullptr, now_));
        });
    }
    /// What a slice of housekeeping may go through.
    void keep_house(int slices) {
        for (int i = 0; i < slices && !HasFatalFailure(); ++i) {
            const ShardStats before = shard_->stats();
            shard_->housekeep(now_);
            const ShardStats after = shard_->stats();
            ASSERT_LE(after.reclaim_looks - before.reclaim_looks, 512u + 16);
            ASSERT_LE(after.moved_bytes - before.moved_bytes, (256u << 10) + kLargest);
            ASSERT_LE(after.resize_looks - before.resize_looks, 256u);
            looked_ += after.reclaim_looks - before.reclaim_looks;
            resized_ += after.resize_looks - before.resize_looks;
            pool_->release_freed_memory();
        }
    }
    void fill() {
        while (shard_->stats().evictions == 0 && !HasFatalFailure()) put(60);
    }

    static constexpr std::uint64_t kLargest = kSegment / 4;
    std::string value_;
    std::uint64_t next_ = 0;
    std::uint64_t looked_ = 0;
    std::uint64_t resized_ = 0;
};

TEST_F(BoundedWorkTest, TheIndexGrowsInSmallSteps) {
    for (int i = 0; i < 50'000 && !HasFatalFailure(); ++i) put(20);
    EXPECT_GT(resized_, 50'000u);
    EXPECT_EQ(shard_->stats().evictions, 0u);
    for (int i = 0; i < 50'000; ++i) ASSERT_TRUE(get(fmt::format("key{}", i))) << i;
}

TEST_F(BoundedWorkTest, AFullShardMakesRoomInSmallSteps) {
    fill();
    for (int i = 0; i < 80'000 && !HasFatalFailure(); ++i) put(60);
    EXPECT_GT(looked_, 70'000u);
}

TEST_F(BoundedWorkTest, WhereEverythingIsReadRoomIsMadeInSmallSteps) {
    fill();
    for (std::uint64_t i = 0; i < next_; ++i) get(fmt::format("key{}", i));
    for (int i = 0; i < 80'000 && !HasFatalFailure(); ++i) {
        put(60);
        for (std::uint64_t back = 1; back < 4; ++back) get(fmt::format("key{}", next_ - back));
    }
    EXPECT_GT(shard_->stats().promoted_items, 20'000u);
}

TEST_F(BoundedWorkTest, ItemsOfAllSizesMakeRoomWithoutEmptyingAWholeSegmentOfSmallOnes) {
    make_sized(32u << 20, 1u << 20);
    fill();
    std::mt19937_64 random{1};
    std::lognormal_distribution<double> size(5.4, 1.5);
    std::uint64_t most = 0;
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t before = shard_->stats().reclaim_looks;
        const auto bytes = std::min<std::size_t>(static_cast<std::size_t>(size(random)), 200'000);
        ASSERT_TRUE(set(fmt::format("any{}", i), std::string(bytes, 'v')));
        most = std::max(most, shard_->stats().reclaim_looks - before);
    }
    EXPECT_GT(shard_->stats().reclaim_looks, 100'000u);
    EXPECT_LE(most, 2048u + 4 * 200'000 / 512) << "a segment holds ten thousand";
}

TEST_F(BoundedWorkTest, AFullShardLetsItsIndexGrowInSmallSteps) {
    while (shard_->stats().evictions == 0 && !HasFatalFailure()) put(2000);
    const std::uint64_t index_bytes = shard_->stats().index_bytes;
    for (int i = 0; i < 150'000 && !HasFatalFailure(); ++i) put(4);
    EXPECT_GT(shard_->stats().index_bytes, 4 * index_bytes);
    EXPECT_LE(pool_->charged_bytes(), pool_->memory_limit());
}

TEST_F(BoundedWorkTest, ALowerLimitIsReachedInSmallSteps) {
    fill();
    ASSERT_TRUE(pool_->set_limit(kMemory / 2));
    while (pool_->over_limit() && !HasFatalFailure()) {
        keep_house(1);
        put(60);
    }
    EXPECT_GT(looked_, 10'000u);
}

TEST_F(BoundedWorkTest, ExpiredItemsGoInSmallSteps) {
    for (int i = 0; i < 50'000 && !HasFatalFailure(); ++i) put(60, now_ + 100);
    now_ += 200;
    keep_house(1000);
    EXPECT_GE(looked_, 45'000u);
    EXPECT_LT(shard_->stats().items, 3000u);
}

TEST_F(BoundedWorkTest, FlushedItemsGoInSmallSteps) {
    for (int i = 0; i < 50'000 && !HasFatalFailure(); ++i) put(60);
    shard_->flush_all(0, now_);
    keep_house(1000);
    EXPECT_EQ(shard_->stats().items, 0u);
    EXPECT_GE(looked_, 50'000u);
}

TEST_F(BoundedWorkTest, HousekeepingRestsWhileAFlushedValueIsBeingSent) {
    ASSERT_TRUE(set("key", "value"));
    const auto sent = shard_->find(hashed("key"), now_);
    shard_->pin(sent->segment);
    shard_->flush_all(0, now_);
    EXPECT_FALSE(shard_->housekeep(now_));
    EXPECT_EQ(sent->view.value, "value");
    EXPECT_FALSE(get("key"));
    shard_->unpin(sent->segment);
    keep_house(10);
    EXPECT_EQ(shard_->stats().segment_bytes, 0u);
}

/// Half of a segment has been emptied when something else happens to it.
class HalfEmptiedTest : public BoundedWorkTest {
 protected:
    void SetUp() override {
        BoundedWorkTest::SetUp();
        fill();
        do {
            put(60);
        } while (looked_ % 2000 < 500);
    }
};

TEST_F(HalfEmptiedTest, ACutSeesEveryItemOnceAndNoneThatHasGone) {
    std::map<std::string, std::string> live;
    for (std::uint64_t i = 0; i < next_; ++i) {
        const std::string key = fmt::format("key{}", i);
        if (const auto found = shard_->find(hashed(key), now_)) live[key] = found->view.value;
    }
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(cut.items, live.size());
    for (int i = 0; i < 1000; ++i) put(60);  // the rest of it goes
    EXPECT_EQ(contents(cut), live);
    release(cut);
    EXPECT_EQ(shard_->stats().pinned_bytes, 0u);
}

TEST_F(HalfEmptiedTest, AFlushTakesTheRest) {
    shard_->flush_all(0, now_);
    keep_house(1000);
    EXPECT_EQ(shard_->stats().items, 0u);
    for (std::uint64_t i = 0; i < next_; ++i) ASSERT_FALSE(get(fmt::format("key{}", i)));
}

TEST_F(HalfEmptiedTest, ItsItemsAreReplacedAndRemoved) {
    for (std::uint64_t i = 0; i < next_; ++i) {
        const std::string key = fmt::format("key{}", i);
        if (i % 2 == 0) {
            erase(key);
            ASSERT_FALSE(get(key));
        } else if (get(key)) {
            ASSERT_TRUE(set(key, std::string(90, 'n')));
            ASSERT_EQ(get(key), std::string(90, 'n'));
        }
    }
    shard_->flush_all(0, now_);
    keep_house(1000);
    EXPECT_EQ(shard_->stats().item_bytes, 0u);
}

}  // namespace
}  // namespace shardmill::store
