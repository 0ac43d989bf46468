#include "store/cut.h"

#include <fmt/format.h>

#include <thread>

#include "base/clock.h"

#include "shard_fixture.h"

namespace shardmill::store {
namespace {

TEST_F(ShardTest, ACutShowsTheVersionsOfItsMoment) {
    for (int i = 0; i < 3000; ++i)
        ASSERT_TRUE(set(fmt::format("key{}", i), fmt::format("old{}", i)));
    std::map<std::string, std::string> expected;
    for (int i = 0; i < 3000; ++i) expected[fmt::format("key{}", i)] = fmt::format("old{}", i);
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    for (int i = 0; i < 3000; i += 3)
        ASSERT_TRUE(set(fmt::format("key{}", i), fmt::format("new{}", i)));
    for (int i = 1; i < 3000; i += 3) ASSERT_TRUE(erase(fmt::format("key{}", i)));
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(set(fmt::format("later{}", i), "later"));
    EXPECT_EQ(contents(cut), expected);
    EXPECT_EQ(cut.items, 3000u);
    release(cut);
    EXPECT_EQ(get("key0"), "new0");
    EXPECT_EQ(get("key1"), std::nullopt);
    EXPECT_EQ(get("key2"), "old2");
}

TEST_F(ShardTest, ASecondCutSeesTheDeathsThatTheFirstHides) {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(set(fmt::format("key{}", i), "value"));
    const ShardCut first = shard_->take_cut(now_, std::make_shared<CutState>());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(erase(fmt::format("key{}", i)));
    const ShardCut second = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(contents(first).size(), 100u);
    EXPECT_EQ(contents(second).size(), 50u);
    release(first);
    EXPECT_EQ(contents(second).size(), 50u);
    release(second);
    const ShardCut third = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(contents(third).size(), 50u);
    release(third);
}

TEST_F(ShardTest, ACutLeavesOutWhatHadExpiredAndWasFlushed) {
    ASSERT_TRUE(set("flushed", "x"));
    shard_->flush_all(0, now_);
    ASSERT_TRUE(set("expired", "x", now_ + 1));
    ASSERT_TRUE(set("live", "x", now_ + 100));
    now_ += 1;
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(contents(cut), (std::map<std::string, std::string>{{"live", "x"}}));
    release(cut);
}

TEST_F(ShardTest, EvictionDuringAScanEitherKeepsThePictureOrFailsTheScan) {
    make(4u << 20);
    std::map<std::string, std::string> expected;
    for (int i = 0; i < 20'000; ++i)
        ASSERT_TRUE(set(fmt::format("key{}", i), fmt::format("{:0100}", i)));
    auto state = std::make_shared<CutState>();
    const ShardCut cut = shard_->take_cut(now_, state);
    // A little pressure: what eviction wants is lent to the scan.
    for (int i = 0; i < 1000; ++i)
        ASSERT_TRUE(set(fmt::format("more{}", i), std::string(100, 'm')));
    EXPECT_FALSE(state->failed);
    EXPECT_EQ(contents(cut).size(), cut.items);
    release(cut);
    EXPECT_EQ(shard_->stats().pinned_bytes, 0u);
}

TEST_F(ShardTest, AScanThatKeepsPaceWithEvictionIsNotOvertakenByIt) {
    make(16u << 20);
    const auto value = [](int i) {
        return std::string(50 + static_cast<std::size_t>(i) * 7919 % 3000, 'v');
    };
    int next = 0;
    const auto store = [&](std::size_t bytes) {
        for (std::size_t stored = 0; stored < bytes; ++next) {
            ASSERT_TRUE(set(fmt::format("key{}", next), value(next)));
            stored += value(next).size();
            if (next >= 1000) get(fmt::format("key{}", next - 500 - next % 400));  // some are hit
        }
    };
    store(32u << 20);
    const auto state = std::make_shared<CutState>();
    const ShardCut cut = shard_->take_cut(now_, state);
    std::uint64_t held = 0;
    for (const PinnedSegment& segment : cut.segments) {
        store(segment.bytes);
        held = std::max(held, shard_->stats().pinned_bytes);
        ASSERT_TRUE(segment.claim())
            << &segment - cut.segments.data() << " of " << cut.segments.size();
        shard_->release_cut(segment);
    }
    EXPECT_FALSE(state->failed);
    EXPECT_LE(held, (16u << 20) / 20);
}

TEST_F(ShardTest, AScanThatHoldsTooMuchFailsAndRequestsDoNot) {
    make(4u << 20);
    for (int i = 0; i < 30'000; ++i)
        ASSERT_TRUE(set(fmt::format("key{}", i), std::string(100, 'v')));
    auto state = std::make_shared<CutState>();
    const ShardCut cut = shard_->take_cut(now_, state);
    ASSERT_TRUE(cut.segments.front().claim());  // A worker is in the middle of this one.
    const std::string first(cut.segments.front().data, 64);
    for (int i = 0; i < 60'000; ++i)
        ASSERT_TRUE(set(fmt::format("more{}", i), std::string(100, 'm')));
    EXPECT_TRUE(state->failed);
    EXPECT_FALSE(cut.segments.back().claim());
    EXPECT_EQ(std::string_view(cut.segments.front().data, 64), first);
    release(cut);
    EXPECT_EQ(shard_->stats().pinned_bytes, 0u);
    EXPECT_LE(pool_->charged_bytes(), pool_->memory_limit());
}

TEST_F(ShardTest, NothingIsWrittenInPlaceWhileAScanLooks) {
    ASSERT_TRUE(set("key", "aaaa", now_ + 50));
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    ASSERT_TRUE(set("key", "bbbb", now_ + 50));
    auto handle = shard_->find(hashed("key"), now_);
    ASSERT_TRUE(shard_->set_exptime(*handle, now_ + 60, now_));
    EXPECT_EQ(contents(cut), (std::map<std::string, std::string>{{"key", "aaaa"}}));
    release(cut);
}

TEST(ShardSetTest, ACasFromBeforeARestartIsSmallerThanAllLaterOnes) {
    const auto first_cas = [] {
        ShardSet shards({.memory_limit = 16u << 20, .shards = 1});
        return shards.lock(0)->fresh_cas();
    };
    const std::uint64_t last_second = std::uint64_t{base::unix_now() - 1} << 32;
    EXPECT_GT(first_cas(), last_second);
    EXPECT_LT(first_cas(), std::uint64_t{1} << 63);
}

TEST(ShardSetTest, ACutIsConsistentOverShards) {
    // A writer moves a unit between two counters on different shards, always first up on one, then
    // down on the other. A consistent cut never sees the sum below what it was.
    ShardSet shards({.memory_limit = 64u << 20, .shards = 4});
    std::vector<std::string> keys;
    for (int i = 0; keys.size() < 4; ++i) {
        const std::string key = fmt::format("counter{}", i);
        if (shards.shard_of(base::hash_key(key)) == keys.size()) keys.push_back(key);
    }
    const auto store = [&](const std::string& key, int value) {
        const HashedKey hashed_key = hashed(key);
        auto shard = shards.lock(shards.shard_of(hashed_key.hash));
        const auto existing = shard->find(hashed_key, kStart);
        const std::string text = fmt::format("{:08}", value);
        ASSERT_TRUE(shard->put({.key = hashed_key, .value_head = text},
                               existing ? &*existing : nullptr, kStart));
    };
    for (const std::string& key : keys) store(key, 100);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        int values[4] = {100, 100, 100, 100};
        for (unsigned i = 0; !stop.load(std::memory_order_relaxed); ++i) {
            store(keys[i % 4], ++values[i % 4]);
            store(keys[(i + 1) % 4], --values[(i + 1) % 4]);
        }
    });
    for (int round = 0; round < 300; ++round) {
        shards.begin_cut(kStart);
        int sum = 0;
        for (std::uint32_t shard = 0; shard < shards.size(); ++shard) {
            const ShardCut cut = shards.collect_cut(shard);
            for (const PinnedSegment& segment : cut.segments) {
                ASSERT_TRUE(segment.claim());
                visit_items(segment, cut.now, [&](const ItemView& item) {
                    sum += std::stoi(std::string(item.value));
                });
            }
            shards.release_cut(cut.segments);
        }
        EXPECT_GE(sum, 400);
        EXPECT_LE(sum, 401);
    }
    stop = true;
    writer.join();
}

}  // namespace
}  // namespace shardmill::store
