#include "store/shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "shard_fixture.h"

namespace shardmill::store {
namespace {

TEST_F(ShardTest, FindsWhatWasPut) {
    ASSERT_TRUE(set("key", "value", 0, 7));
    const auto handle = shard_->find(hashed("key"), now_);
    ASSERT_TRUE(handle);
    EXPECT_EQ(handle->view.key, "key");
    EXPECT_EQ(handle->view.value, "value");
    EXPECT_EQ(handle->view.client_flags, 7u);
    EXPECT_EQ(handle->view.exptime, 0u);
    EXPECT_EQ(shard_->stats().items, 1u);
}

TEST_F(ShardTest, FindsWithAnOldHintWhatItFindsWithoutOne) {
    constexpr int kKeys = 30'000;
    const auto key = [](int i) { return fmt::format("key{}", i); };
    for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(set(key(i), key(i)));
    std::vector<SlotRef> seen;
    for (int i = 0; i < kKeys; ++i) seen.push_back(shard_->prefetch_item(hashed(key(i)).hash));
    EXPECT_LT(std::ranges::count(seen, nullptr), kKeys / 100);
    // Moved by growth, gone, stored again elsewhere, replaced; and other keys in their places.
    for (int i = 0; i < kKeys; i += 3) ASSERT_TRUE(erase(key(i)));
    for (int i = 1; i < kKeys; i += 3) ASSERT_TRUE(set(key(i), key(i) + " is longer now"));
    for (int i = kKeys; i < 4 * kKeys; ++i) ASSERT_TRUE(set(key(i), key(i)));
    for (int i = 0; i < kKeys; i += 6) ASSERT_TRUE(set(key(i), key(i)));
    for (int i = 0; i < kKeys; ++i) {
        const std::string name = key(i);
        const HashedKey without = hashed(name);
        const auto expected = shard_->find(without, now_);
        const auto found = shard_->find({without.key, without.hash, seen[i]}, now_);
        ASSERT_EQ(found.has_value(), expected.has_value()) << name;
        if (!expected) continue;
        EXPECT_EQ(found->slot, expected->slot) << name;
        EXPECT_EQ(found->view.key, name);
        EXPECT_EQ(found->view.value, expected->view.value);
    }
}

TEST_F(ShardTest, ComparesKeysOfEveryLength) {
    std::string key;
    for (std::size_t bytes = 1; bytes <= 250; ++bytes) {
        key.push_back(static_cast<char>('a' + bytes % 26));
        ASSERT_TRUE(set(key, fmt::format("{}", bytes)));
    }
    for (std::size_t bytes = 1; bytes <= 250; ++bytes) {
        const std::string present = key.substr(0, bytes);
        ASSERT_EQ(get(present), fmt::format("{}", bytes));
        // Only the bytes tell these apart, not hash and tag.
        const HashedKey right = hashed(present);
        const SlotRef seen = shard_->prefetch_item(right.hash);
        for (const std::size_t at : {std::size_t{0}, bytes / 2, bytes - 1}) {
            std::string other = present;
            other[at] ^= 1;
            ASSERT_FALSE(shard_->find({other, right.hash, seen}, now_)) << bytes << " " << at;
        }
    }
}

TEST_F(ShardTest, StoresEmptyAndBinaryValues) {
    const std::string binary("\0\r\n\xff", 4);
    ASSERT_TRUE(set("empty", ""));
    ASSERT_TRUE(set(std::string_view("k\0y", 3), binary));
    EXPECT_EQ(get("empty"), "");
    EXPECT_EQ(get(std::string_view("k\0y", 3)), binary);
    EXPECT_EQ(get("k"), std::nullopt);
}

TEST_F(ShardTest, KeepsValuesOfEverySizeUpToJumbo) {
    for (const std::size_t bytes : {1u, 3u, 4u, 0x7ffeu, 0x7fffu, 0x8000u, 70'000u, 1'000'000u}) {
        const std::string value(bytes, static_cast<char>('a' + bytes % 26));
        ASSERT_TRUE(set(fmt::format("key{}", bytes), value));
        EXPECT_EQ(get(fmt::format("key{}", bytes)), value);
    }
}

TEST_F(ShardTest, ReplacingFreesTheOldItem) {
    for (int i = 0; i < 200; ++i)
        ASSERT_TRUE(set("key", std::string(static_cast<std::size_t>(i), 'x')));
    EXPECT_EQ(get("key"), std::string(199, 'x'));
    EXPECT_EQ(shard_->stats().items, 1u);
    EXPECT_LT(shard_->stats().item_bytes, 300u);
}

TEST_F(ShardTest, OverwritesTheSameSizeInPlaceUnlessTheCasWasSeen) {
    ASSERT_TRUE(set("key", "aaaa"));
    const auto first = shard_->find(hashed("key"), now_);
    ASSERT_TRUE(set("key", "bbbb"));
    const auto second = shard_->find(hashed("key"), now_);
    EXPECT_EQ(first->item, second->item);
    shard_->show_cas(*second);
    ASSERT_TRUE(set("key", "cccc"));
    const auto third = shard_->find(hashed("key"), now_);
    EXPECT_NE(third->item, second->item);
    EXPECT_GT(third->view.cas, second->view.cas);
    EXPECT_EQ(get("key"), "cccc");
}

TEST_F(ShardTest, ExpiresToTheSecond) {
    ASSERT_TRUE(set("key", "value", kStart + 10));
    now_ = kStart + 9;
    EXPECT_EQ(get("key"), "value");
    now_ = kStart + 10;
    Shard::Miss why{};
    EXPECT_FALSE(shard_->find(hashed("key"), now_, &why));
    EXPECT_EQ(why, Shard::Miss::Expired);
    EXPECT_EQ(shard_->stats().items, 0u);
}

TEST_F(ShardTest, SetExptimeKeepsValueFlagsAndCas) {
    for (const std::uint32_t before : {0u, kStart + 5}) {
        ASSERT_TRUE(set("key", "value", before, 3));
        const auto handle = shard_->find(hashed("key"), now_);
        const std::uint64_t cas = shard_->show_cas(*handle);
        const auto touched = shard_->set_exptime(*handle, kStart + 100, now_);
        ASSERT_TRUE(touched);
        EXPECT_EQ(touched->view.exptime, kStart + 100);
        EXPECT_EQ(touched->view.value, "value");
        EXPECT_EQ(touched->view.client_flags, 3u);
        EXPECT_EQ(touched->view.cas, cas);
        EXPECT_EQ(shard_->stats().items, 1u);
        ASSERT_TRUE(erase("key"));
    }
}

TEST_F(ShardTest, SetBitsMarksStaleAndGivesANewCasWhenAsked) {
    ASSERT_TRUE(set("key", "value"));
    auto handle = shard_->find(hashed("key"), now_);
    const std::uint64_t cas = shard_->show_cas(*handle);
    auto marked = shard_->set_bits(*handle, ItemHeader::kWin, 0, now_);
    ASSERT_TRUE(marked);
    EXPECT_TRUE(marked->view.header.has(ItemHeader::kWin));
    EXPECT_EQ(marked->view.cas, cas);
    marked =
        shard_->set_bits(*marked, ItemHeader::kStale, ItemHeader::kWin, now_, shard_->fresh_cas());
    ASSERT_TRUE(marked);
    EXPECT_TRUE(marked->view.header.has(ItemHeader::kStale));
    EXPECT_FALSE(marked->view.header.has(ItemHeader::kWin));
    EXPECT_GT(marked->view.cas, cas);
    EXPECT_EQ(marked->view.value, "value");
}

TEST_F(ShardTest, AppendsToAValueThatLiesInTheLog) {
    ASSERT_TRUE(set("key", "head"));
    const auto handle = shard_->find(hashed("key"), now_);
    ASSERT_TRUE(
        shard_->put({.key = hashed("key"), .value_head = handle->view.value, .value_tail = "tail"},
                    &*handle, now_));
    EXPECT_EQ(get("key"), "headtail");
}

TEST_F(ShardTest, AShownCasSurvivesBeingMoved) {
    make(2u << 20);
    ASSERT_TRUE(set("seen", "value"));
    auto handle = shard_->find(hashed("seen"), now_);
    const std::uint64_t cas = shard_->show_cas(*handle);
    // Hit it between fillers, so that every reclaim finds it hit and moves it.
    for (int i = 0; i < 40'000; ++i) {
        ASSERT_TRUE(set(fmt::format("filler{}", i), std::string(100, 'f')));
        if (i % 50 == 0) {
            ASSERT_TRUE(get("seen"));
        }
    }
    EXPECT_GT(shard_->stats().evictions, 0u);
    handle = shard_->find(hashed("seen"), now_);
    ASSERT_TRUE(handle);
    EXPECT_EQ(handle->view.cas, cas);
    EXPECT_TRUE(handle->fetched_before);
}

TEST_F(ShardTest, StaysWithinItsMemory) {
    make(4u << 20);
    for (int i = 0; i < 200'000; ++i) {
        ASSERT_TRUE(
            set(fmt::format("key{}", i), std::string(static_cast<std::size_t>(i % 300), 'v')));
        ASSERT_LE(pool_->charged_bytes(), pool_->memory_limit());
    }
    const ShardStats stats = shard_->stats();
    EXPECT_GT(stats.evictions, 0u);
    EXPECT_LE(stats.segment_bytes + stats.index_bytes, 4u << 20);
    EXPECT_GT(stats.item_bytes, (4u << 20) * 3 / 4) << "most of the memory holds items";
    EXPECT_EQ(get("key199999"), std::string(199'999 % 300, 'v'));
}

TEST_F(ShardTest, KeepsWhatIsReadWhenFull) {
    make(4u << 20);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(set(fmt::format("hot{}", i), std::string(100, 'h')));
    for (int i = 0; i < 100'000; ++i) {
        ASSERT_TRUE(set(fmt::format("cold{}", i), std::string(100, 'c')));
        get(fmt::format("hot{}", i % 1000));
    }
    int kept = 0;
    for (int i = 0; i < 1000; ++i) kept += get(fmt::format("hot{}", i)).has_value();
    EXPECT_GT(kept, 950);
}

TEST_F(ShardTest, EvictsEvenWhenEverythingWasHit) {
    make(2u << 20);
    for (int i = 0; i < 50'000; ++i) {
        const std::string key = fmt::format("key{}", i);
        ASSERT_TRUE(set(key, std::string(100, 'v')));
        for (int hit = 0; hit < 4; ++hit) ASSERT_TRUE(get(key));
    }
}

TEST_F(ShardTest, EvictsHotLargeItemsToo) {
    make(4u << 20);
    for (int i = 0; i < 300; ++i) {
        const std::string key = fmt::format("large{}", i);
        ASSERT_TRUE(set(key, std::string(200'000, 'v'))) << i;
        for (int hit = 0; hit < 4; ++hit) ASSERT_TRUE(get(key));
        pool_->release_freed_memory();
    }
}

TEST_F(ShardTest, RefusesInsteadOfEvictingWhenToldSo) {
    make(2u << 20, false);
    int stored = 0;
    while (set(fmt::format("key{}", stored), std::string(1000, 'v'))) ++stored;
    EXPECT_GT(stored, 1200);
    EXPECT_EQ(shard_->stats().evictions, 0u);
    for (int i = 0; i < stored; ++i) ASSERT_TRUE(get(fmt::format("key{}", i))) << i;
    // Deleting makes room again.
    for (int i = 0; i < stored; i += 2) ASSERT_TRUE(erase(fmt::format("key{}", i)));
    EXPECT_TRUE(set("another", std::string(1000, 'v')));
}

TEST_F(ShardTest, ReusesTheSpaceOfExpiredItemsBeforeEvicting) {
    make(4u << 20);
    ASSERT_TRUE(set("forever", "stays"));
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 10'000; ++i)
            ASSERT_TRUE(set(fmt::format("k{}-{}", round, i), std::string(100, 'v'), now_ + 5));
        now_ += 10;
        while (shard_->housekeep(now_)) {
        }
    }
    EXPECT_EQ(shard_->stats().evictions, 0u);
    EXPECT_EQ(get("forever"), "stays");
}

TEST_F(ShardTest, FlushDropsWhatIsThereAndNothingLater) {
    for (int i = 0; i < 5000; ++i) ASSERT_TRUE(set(fmt::format("old{}", i), std::string(100, 'o')));
    shard_->flush_all(0, now_);
    ASSERT_TRUE(set("new", "n"));
    Shard::Miss why{};
    EXPECT_FALSE(shard_->find(hashed("old7"), now_, &why));
    EXPECT_EQ(why, Shard::Miss::Flushed);
    while (shard_->housekeep(now_)) {
    }
    EXPECT_EQ(get("new"), "n");
    EXPECT_EQ(shard_->stats().items, 1u);
    EXPECT_EQ(shard_->stats().evictions, 0u);
}

TEST_F(ShardTest, ADelayedFlushStrikesAtItsTime) {
    ASSERT_TRUE(set("key", "value"));
    shard_->flush_all(now_ + 10, now_);
    now_ += 9;
    EXPECT_EQ(get("key"), "value");
    now_ += 1;
    EXPECT_EQ(get("key"), std::nullopt);
    ASSERT_TRUE(set("key", "again"));
    now_ += 10;
    EXPECT_EQ(get("key"), "again");
}

TEST_F(ShardTest, AFlushOfThePastTakesWhatWasNotUsedSince) {
    for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(set(fmt::format("key{}", i), "old"));
    now_ += 10;
    ASSERT_TRUE(get("key1"));
    ASSERT_TRUE(set("key2", "new"));
    const std::uint32_t then = now_;
    now_ += 10;
    shard_->flush_all(now_ + 5, now_);
    shard_->flush_unused(then);
    Shard::Miss why{};
    EXPECT_FALSE(shard_->find(hashed("key3"), now_, &why)) << "at once";
    EXPECT_EQ(why, Shard::Miss::Flushed);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(set(fmt::format("later{}", i), "later"));
    while (shard_->housekeep(now_)) {
    }
    EXPECT_EQ(shard_->stats().items, 1002u) << "none is left behind";
    now_ += 10;
    EXPECT_EQ(get("key1"), "old") << "the pending flush was replaced";
    EXPECT_EQ(get("key2"), "new");
}

TEST_F(ShardTest, AReservationIsInvisibleUntilCommitted) {
    const std::string value(100'000, 'r');
    auto reservation = shard_->reserve(3, 100'000, now_);
    ASSERT_TRUE(reservation);
    std::memcpy(reservation->value, value.data(), value.size());
    EXPECT_EQ(get("key"), std::nullopt);
    ASSERT_TRUE(shard_->commit(*reservation,
                               {.key = hashed("key"), .client_flags = 5, .exptime = now_ + 100},
                               nullptr, now_));
    EXPECT_EQ(get("key"), value);
    const ShardCut cut = shard_->take_cut(now_, std::make_shared<CutState>());
    EXPECT_EQ(contents(cut), (std::map<std::string, std::string>{{"key", value}}));
    release(cut);
}

TEST_F(ShardTest, AnAbandonedReservationGivesItsMemoryBack) {
    const std::uint64_t before = pool_->charged_bytes();
    for (int i = 0; i < 1000; ++i) {
        auto reservation = shard_->reserve(3, 1'000'000, now_);
        ASSERT_TRUE(reservation);
        shard_->abandon(*reservation);
        pool_->release_freed_memory();
    }
    EXPECT_LE(pool_->charged_bytes(), before + (1u << 20)) << "one is kept for the next value";
    ASSERT_TRUE(pool_->set_limit(before));
    EXPECT_EQ(pool_->charged_bytes(), before);
}

TEST_F(ShardTest, APinnedValueKeepsItsBytesThroughDeleteAndEviction) {
    make(2u << 20);
    const std::string value(5000, 'p');
    ASSERT_TRUE(set("pinned", value));
    const auto handle = shard_->find(hashed("pinned"), now_);
    const std::string_view bytes = handle->view.value;
    const std::uint32_t segment = handle->segment;
    shard_->pin(segment);
    ASSERT_TRUE(erase("pinned"));
    for (int i = 0; i < 50'000; ++i) ASSERT_TRUE(set(fmt::format("k{}", i), std::string(100, 'x')));
    EXPECT_EQ(bytes, value);
    shard_->unpin(segment);
    for (int i = 0; i < 50'000; ++i) ASSERT_TRUE(set(fmt::format("k{}", i), std::string(100, 'y')));
    EXPECT_LE(pool_->charged_bytes(), pool_->memory_limit());
}

TEST_F(ShardTest, CountsAsManyPinsAsOneRequestCanAskFor) {
    // One get may name the same large value a hundred thousand times.
    ASSERT_TRUE(set("key", std::string(20'000, 'p')));
    const std::uint32_t segment = shard_->find(hashed("key"), now_)->segment;
    for (int i = 0; i < 100'000; ++i) shard_->pin(segment);
    for (int i = 0; i < 100'000; ++i) shard_->unpin(segment);
    EXPECT_EQ(get("key"), std::string(20'000, 'p'));
}

TEST_F(ShardTest, RefusesWhatCanNeverFit) {
    EXPECT_EQ(set("key", std::string(20u << 20, 'x')).error(), StoreError::TooLarge);
    EXPECT_EQ(shard_->reserve(3, 20u << 20, now_).error(), StoreError::TooLarge);
}

TEST_F(ShardTest, TellsWhenAnItemWasLastRead) {
    ASSERT_TRUE(set("key", "value"));
    now_ += 100;
    EXPECT_EQ(now_ - shard_->find(hashed("key"), now_)->last_access, 100u);
    ASSERT_TRUE(get("key"));
    now_ += 7;
    EXPECT_EQ(now_ - shard_->find(hashed("key"), now_)->last_access, 7u);
    // Days later, with the sweeps that housekeeping makes, still right to the minute.
    for (int hour = 0; hour < 72; ++hour) {
        now_ += 3600;
        for (int i = 0; i < 4; ++i) shard_->housekeep(now_);
    }
    EXPECT_NEAR(now_ - shard_->find(hashed("key"), now_)->last_access, 72 * 3600 + 7, 180);
}

}  // namespace
}  // namespace shardmill::store
