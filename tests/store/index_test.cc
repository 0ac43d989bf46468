#include "store/index.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace shardmill::store {
namespace {

class IndexTest : public testing::Test {
 protected:
    void add(std::uint64_t hash) {
        const std::uint64_t location = 4 * (hashes_.size() + 1);
        hashes_[location] = hash;
        ASSERT_NE(index_.insert(hash, 0, 0, location), nullptr);
    }
    void step() {
        index_.resize_step([this](std::uint64_t at) { return hashes_.at(at); },
                           [](std::uint64_t) { FAIL() << "a key was dropped"; });
    }
    void expect_all() {
        for (const auto& [location, hash] : hashes_)
            ASSERT_NE(index_.find_location(hash, location), nullptr);
    }

    SegmentPool pool_{{64u << 20, 64u << 10, 1u << 20}};
    Index index_{pool_, 256};
    std::mt19937_64 random_{7};
    std::unordered_map<std::uint64_t, std::uint64_t> hashes_;
};

TEST_F(IndexTest, TagsAreNeverZeroAndCandidatesDiffer) {
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t hash = random_();
        const std::uint64_t tag = Index::tag_of(hash);
        ASSERT_GT(tag, 0u);
        ASSERT_LT(tag, 2048u);
        const std::uint32_t first = Index::first_bucket(hash);
        const std::uint32_t other = Index::other_bucket(first, tag);
        ASSERT_NE(first, other);
        ASSERT_EQ(Index::other_bucket(other, tag), first);
        ASSERT_LT(other, Index::kBucketsPerPage);
    }
}

TEST_F(IndexTest, FillsAPageToNineTenths) {
    while (index_.count() < Index::kSlotsPerPage * 92 / 100) add(random_());
    EXPECT_LE(index_.overflowed(), 4u);
    expect_all();
}

TEST_F(IndexTest, KeepsEveryKeyThroughGrowth) {
    for (int i = 0; i < 100'000; ++i) {
        add(random_());
        if (!index_.resizing() && index_.wants_growth()) {
            const std::uint32_t factor = 1 + static_cast<std::uint32_t>(random_() % 4);
            ASSERT_TRUE(index_.start_growth(index_.pages() * factor + 1));
        }
        step();
        if (i % 5000 == 0) expect_all();
    }
    while (index_.resizing()) step();
    expect_all();
    EXPECT_EQ(index_.count(), hashes_.size());
    EXPECT_GT(static_cast<double>(index_.count()) / static_cast<double>(index_.slots()), 0.2);
}

TEST_F(IndexTest, KeepsEveryKeyWhileItShrinks) {
    for (int i = 0; i < 200'000; ++i) {
        add(random_());
        if (index_.wants_growth()) {
            ASSERT_TRUE(index_.start_growth(index_.pages() * 2));
        }
        step();
    }
    while (index_.resizing()) step();
    const std::uint64_t before = index_.pages();
    EXPECT_FALSE(index_.wants_shrinking());
    for (auto entry = hashes_.begin(); hashes_.size() > 10'000; entry = hashes_.erase(entry)) {
        index_.erase(index_.find_location(entry->second, entry->first));
    }
    ASSERT_TRUE(index_.wants_shrinking());
    ASSERT_TRUE(index_.start_shrinking());
    std::uint64_t location = 4'000'000;
    while (index_.resizing()) {
        step();
        expect_all();
        // Life goes on meanwhile.
        const std::uint64_t hash = random_();
        ASSERT_NE(index_.insert(hash, 0, 0, location), nullptr);
        hashes_[location] = hash;
        location += 4;
    }
    expect_all();
    EXPECT_EQ(index_.count(), hashes_.size());
    EXPECT_LT(index_.pages(), before / 8);
    EXPECT_EQ(pool_.charged_bytes(), index_.bytes());
}

TEST_F(IndexTest, GrowsAgainOnlyWhenThePagesThatItGaveUpAreGone) {
    for (int i = 0; i < 100'000; ++i) {
        add(random_());
        if (index_.wants_growth()) {
            ASSERT_TRUE(index_.start_growth(index_.pages() * 2));
        }
        step();
    }
    while (index_.resizing()) step();
    for (const auto& [location, hash] : hashes_) index_.erase(index_.find_location(hash, location));
    hashes_.clear();
    ASSERT_TRUE(index_.start_shrinking());
    while (index_.resizing()) step();
    EXPECT_FALSE(index_.start_growth(64));
    pool_.release_freed_memory();
    ASSERT_TRUE(index_.start_growth(64));
    while (index_.resizing()) step();
    for (int i = 0; i < 100'000; ++i) add(random_());
    pool_.release_freed_memory();
    expect_all();
}

TEST_F(IndexTest, ErasedSlotsAreUsedAgain) {
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 1500; ++i) add(random_());
        for (const auto& [location, hash] : hashes_) {
            const SlotRef slot = index_.find_location(hash, location);
            ASSERT_NE(slot, nullptr);
            index_.erase(slot);
        }
        hashes_.clear();
        EXPECT_EQ(index_.count(), 0u);
    }
    EXPECT_EQ(index_.pages(), 1u);
}

TEST(SlotTest, PacksAndUnpacksItsFields) {
    const std::uint64_t word = Slot::make(2047, 3, 0xabcd, (std::uint64_t{1} << 37) - 4);
    EXPECT_EQ(Slot::tag(word), 2047u);
    EXPECT_EQ(Slot::frequency(word), 3u);
    EXPECT_EQ(Slot::stamp(word), 0xabcd);
    EXPECT_EQ(Slot::location(word), (std::uint64_t{1} << 37) - 4);
}

TEST(AccessStampTest, IsExactWithinFourHoursAndToTheMinuteForWeeks) {
    const std::uint32_t then = 1'700'000'123;
    AccessStamp stamp = stamp_now(then);
    for (std::uint32_t now = then; now < then + 20 * 86'400; now += 1800) {
        stamp = refreshed_stamp(stamp, now);
        const std::uint32_t age = stamp_age(stamp, now);
        if (now - then < kStampRefreshSeconds) {
            ASSERT_EQ(age, now - then);
        } else {
            ASSERT_NEAR(age, now - then, 120);
        }
    }
}

TEST(AccessStampTest, StaysAtItsMaximumInsteadOfStartingOver) {
    const std::uint32_t then = 1'700'000'000;
    AccessStamp stamp = stamp_now(then);
    std::uint32_t previous = 0;
    for (std::uint32_t now = then; now < then + 60 * 86'400; now += kStampRefreshSeconds) {
        stamp = refreshed_stamp(stamp, now);
        const std::uint32_t age = stamp_age(stamp, now);
        ASSERT_GE(age, previous == 0 ? 0 : std::min(previous, 20u * 86'400));
        previous = age;
    }
}

}  // namespace
}  // namespace shardmill::store
