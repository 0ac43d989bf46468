#include "store/ghost.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace shardmill::store {
namespace {

std::uint64_t hash_of(std::uint64_t number) {
    return base::hash_key({reinterpret_cast<const char*>(&number), sizeof(number)});
}

class GhostFilterTest : public testing::Test {
 protected:
    static constexpr std::uint64_t kResident = 10'000;

    SegmentPool pool_{{16u << 20, 64u << 10, 1u << 20}};
    GhostFilter ghost_{pool_, 1 << 20};
};

TEST_F(GhostFilterTest, KnowsNothingAtFirstAndCostsNothing) {
    EXPECT_FALSE(ghost_.take(hash_of(1)));
    EXPECT_EQ(ghost_.bytes(), 0u);
    EXPECT_EQ(pool_.charged_bytes(), 0u);
}

TEST_F(GhostFilterTest, ForgetsEverythingAndBeginsAnew) {
    ghost_.remember(hash_of(1), kResident);
    ghost_.forget();
    EXPECT_EQ(pool_.charged_bytes(), 0u);
    ghost_.remember(hash_of(1), kResident);
    EXPECT_FALSE(ghost_.take(hash_of(1))) << "not before the memory has gone back";
    pool_.release_freed_memory();
    ghost_.remember(hash_of(1), kResident);
    EXPECT_TRUE(ghost_.take(hash_of(1)));
}

TEST_F(GhostFilterTest, AKeyIsTakenOnce) {
    ghost_.remember(hash_of(1), kResident);
    EXPECT_FALSE(ghost_.take(hash_of(2)));
    EXPECT_TRUE(ghost_.take(hash_of(1)));
    EXPECT_FALSE(ghost_.take(hash_of(1)));
}

TEST_F(GhostFilterTest, RemembersAboutAsManyAsAreResidentAndTheLatestOfThem) {
    for (std::uint64_t i = 0; i < 10 * kResident; ++i) ghost_.remember(hash_of(i), kResident);
    const auto known = [this](std::uint64_t first, std::uint64_t count) {
        std::uint64_t found = 0;
        for (std::uint64_t i = first; i < first + count; ++i) found += ghost_.take(hash_of(i));
        return found;
    };
    EXPECT_GT(known(9 * kResident + kResident * 9 / 10, kResident / 10), kResident / 10 * 95 / 100);
    EXPECT_LT(known(0, kResident), kResident / 100);
}

TEST_F(GhostFilterTest, GrowsWithTheShardWithoutForgetting) {
    for (std::uint64_t i = 0; i < 500; ++i) ghost_.remember(hash_of(i), 1000);
    const std::uint64_t before = ghost_.bytes();
    ghost_.remember(hash_of(1000), 2 * kResident);
    EXPECT_GT(ghost_.bytes(), before);
    EXPECT_EQ(pool_.charged_bytes(), ghost_.bytes());
    // The step may be larger than one doubling; what the size before knew is still known.
    ghost_.remember(hash_of(1001), 4 * kResident);
    std::uint64_t found = ghost_.take(hash_of(1000));
    EXPECT_EQ(found, 1u);
}

TEST_F(GhostFilterTest, StaysAsItIsWithoutMemory) {
    ASSERT_TRUE(pool_.charge(pool_.memory_limit()));
    ghost_.remember(hash_of(1), kResident);
    EXPECT_FALSE(ghost_.take(hash_of(1)));
    EXPECT_EQ(ghost_.bytes(), 0u);
    pool_.uncharge(pool_.memory_limit());
}

}  // namespace
}  // namespace shardmill::store
