#include <fmt/format.h>

#include <set>

#include "shard_fixture.h"
#include "store/shard.h"

namespace shardmill::store {
namespace {

class WalkTest : public ShardTest {
 protected:
    /// The keys that a walk in pieces of `places` shows.
    std::multiset<std::string> walk(std::uint64_t places) {
        std::multiset<std::string> keys;
        std::uint64_t cursor = 0;
        do {
            cursor = shard_->walk(cursor, places, now_,
                                  [&keys](const ItemView& item) { keys.emplace(item.key); });
        } while (cursor != 0);
        return keys;
    }
    void expect_all(std::uint64_t places) {
        const auto keys = walk(places);
        EXPECT_EQ(keys.size(), shard_->stats().items);
        EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), keys.size());
    }
};

TEST_F(WalkTest, ShowsEveryItemOnceWhateverTheIndexIsDoing) {
    constexpr int kItems = 40'000;
    bool grew = false;
    for (int i = 0; i < kItems; ++i) {
        ASSERT_TRUE(set(fmt::format("key{}", i), "v"));
        if (i % 1999 == 0) expect_all(i % 2 == 0 ? 100 : 100'000);
        grew |= shard_->stats().index_growing;
    }
    EXPECT_TRUE(grew);
    const auto slots = shard_->stats().index_slots;
    for (int i = 0; i < kItems; ++i) {
        if (i % 8 == 0) continue;
        EXPECT_TRUE(erase(fmt::format("key{}", i)));
    }
    for (int i = 0; i < 200; ++i) {
        shard_->housekeep(now_);
        pool_->release_freed_memory();
        if (i < 30) expect_all(1000);
    }
    EXPECT_LT(shard_->stats().index_slots, slots);
}

TEST_F(WalkTest, LeavesOutWhatHasExpiredOrWasFlushed) {
    ASSERT_TRUE(set("kept", "v"));
    ASSERT_TRUE(set("short", "v", now_ + 5));
    EXPECT_EQ(walk(1000), (std::multiset<std::string>{"kept", "short"}));
    now_ += 5;
    EXPECT_EQ(walk(1000), (std::multiset<std::string>{"kept"}));
    shard_->flush_all(now_, now_);
    EXPECT_TRUE(walk(1000).empty());
}

TEST(SizeHistogramTest, CountsInStepsOf32RoundedUp) {
    SizeHistogram histogram({.item_overhead = 10, .flags_bytes = 4, .bytes_max = 100'000});
    const auto item = [](std::string_view value, std::uint32_t flags) {
        ItemView view;
        view.key = "key";
        view.value = value;
        view.client_flags = flags;
        return view;
    };
    const auto seen = [&histogram] {
        std::map<std::uint64_t, std::uint64_t> sizes;
        histogram.visit(
            [&sizes](std::uint64_t bytes, std::uint64_t items) { sizes[bytes] = items; });
        return sizes;
    };
    using Sizes = std::map<std::uint64_t, std::uint64_t>;
    const std::string value(70'000, 'x');
    const auto part = [&value](std::size_t bytes) {
        return std::string_view(value).substr(0, bytes);
    };
    histogram.add(item(part(19), 0));  // 32
    histogram.add(item(part(19), 1));  // 36
    histogram.add(item(part(51), 0));  // 64
    histogram.add(item(value, 0));     // 70,013
    EXPECT_EQ(seen(), (Sizes{{32, 1}, {64, 2}, {70'016, 1}}));
    histogram.remove(item(part(19), 1));
    histogram.remove(item(value, 0));
    EXPECT_EQ(seen(), (Sizes{{32, 1}, {64, 1}}));
}

}  // namespace
}  // namespace shardmill::store
