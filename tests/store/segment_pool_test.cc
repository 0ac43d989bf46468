#include "store/segment_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <filesystem>
#include <set>
#include <vector>

namespace shardmill::store {
namespace {

constexpr std::uint64_t kLimit = 4u << 20;
constexpr std::uint32_t kSegment = 64u << 10;

class SegmentPoolTest : public testing::Test {
 protected:
    SegmentPool pool_{{kLimit, kSegment, 1u << 20}};
};

TEST_F(SegmentPoolTest, HandsOutDistinctSegmentsUpToTheLimit) {
    std::set<std::uint32_t> held;
    while (const auto segment = pool_.acquire()) {
        EXPECT_NE(*segment, kNoSegment);
        EXPECT_TRUE(held.insert(*segment).second);
        std::memset(pool_.data(*segment), 0x5a, kSegment);
    }
    EXPECT_EQ(held.size(), kLimit / kSegment);
    EXPECT_EQ(pool_.charged_bytes(), kLimit);
    for (const std::uint32_t segment : held) pool_.release(segment);
    EXPECT_TRUE(pool_.acquire());
}

TEST_F(SegmentPoolTest, RunsAreContiguousAndChargedByThePage) {
    const auto run = pool_.acquire_run(300'001);
    ASSERT_TRUE(run);
    EXPECT_EQ(pool_.charged_bytes(), 303'104u);
    std::memset(pool_.data(*run), 1, 300'001);
    pool_.segment(*run).capacity = 303'104;
    pool_.release_run(*run, 300'001);
    EXPECT_EQ(pool_.charged_bytes(), 0u);
    pool_.release_freed_memory();
    EXPECT_EQ(pool_.data(*run)[0], 0) << "the pages went back to the system";
}

TEST_F(SegmentPoolTest, LockedPagesGoBackToTheSystemToo) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's runtime takes munlock and unlocks nothing";
#endif
    constexpr std::uint64_t kBytes = 32u << 10;  // anybody may lock that much
    const auto run = pool_.acquire_run(kBytes);
    ASSERT_TRUE(run);
    ASSERT_EQ(::mlock2(pool_.data(*run), kBytes, MLOCK_ONFAULT), 0);
    std::memset(pool_.data(*run), 1, kBytes);
    pool_.segment(*run).capacity = kBytes;
    pool_.release_run(*run, kBytes);
    ASSERT_TRUE(pool_.set_limit(0));
    pool_.release_freed_memory();
    EXPECT_EQ(pool_.data(*run)[0], 0);
}

TEST(SegmentPoolPagesTest, LargePagesAreUsedWhereTheKernelHasThem) {
    SegmentPool pool({.memory_limit = kLimit,
                      .segment_bytes = kSegment,
                      .item_bytes_max = 1u << 20,
                      .large_pages = true});
    EXPECT_EQ(pool.large_pages(),
              std::filesystem::exists("/sys/kernel/mm/transparent_hugepage/enabled"));
    const auto segment = pool.acquire();
    ASSERT_TRUE(segment);
    std::memset(pool.data(*segment), 0x5a, kSegment);
    pool.release(*segment);
}

TEST_F(SegmentPoolTest, KeptSegmentsGiveWayToRunsAndIndexes) {
    std::set<std::uint32_t> held;
    while (const auto segment = pool_.acquire()) held.insert(*segment);
    EXPECT_FALSE(pool_.charge(1));
    for (const std::uint32_t segment : held) pool_.release(segment);
    EXPECT_TRUE(pool_.charge(kLimit / 2));
    EXPECT_TRUE(pool_.acquire_run(1u << 20));
    EXPECT_LE(pool_.charged_bytes(), kLimit);
    pool_.release_freed_memory();
    std::size_t more = 0;
    while (pool_.acquire()) ++more;
    EXPECT_EQ(more, kLimit / 4 / kSegment);
}

TEST_F(SegmentPoolTest, BuffersTakeFromTheBudgetWhatTheyHoldOverALittle) {
    constexpr std::uint64_t kMiB = 1u << 20;
    SegmentPool pool({64 * kMiB, kSegment, 1u << 20});
    pool.charge_buffers(0, 6 * kMiB);
    EXPECT_EQ(pool.budget(), 64 * kMiB) << "so much is free";
    std::set<std::uint32_t> held;
    while (const auto segment = pool.acquire()) held.insert(*segment);
    for (const std::uint32_t segment : held) pool.release(segment);
    pool.charge_buffers(6 * kMiB, 16 * kMiB);
    EXPECT_EQ(pool.budget(), 54 * kMiB);
    EXPECT_LE(pool.charged_bytes(), 54 * kMiB) << "what nobody uses gives way at once";
    pool.charge_buffers(0, 500 * kMiB);
    EXPECT_EQ(pool.budget(), 32 * kMiB) << "half of the limit is for items, whatever comes";
    pool.charge_buffers(516 * kMiB, 0);
    EXPECT_EQ(pool.budget(), pool.memory_limit());
    ASSERT_TRUE(pool.charge(64 * kMiB)) << "and all of it, once the buffers are gone";
    pool.charge_buffers(0, 7 * kMiB);
    EXPECT_TRUE(pool.over_limit());
}

TEST_F(SegmentPoolTest, AllOfTheKeptSegmentsCanBecomeARun) {
    constexpr std::uint64_t kLarge = 64u << 20;
    SegmentPool pool({kLarge, kSegment, 1u << 20});
    std::set<std::uint32_t> held;
    while (const auto segment = pool.acquire()) held.insert(*segment);
    for (const std::uint32_t segment : held) pool.release(segment);
    EXPECT_TRUE(pool.acquire_run(kLarge * 9 / 10)) << "at once, however many there are";
}

TEST_F(SegmentPoolTest, FindsRunsAgainAfterManySizes) {
    for (std::uint64_t i = 0; i < 5000; ++i) {
        const std::uint64_t bytes = 1000 + i * 7919 % (1u << 20);
        const auto run = pool_.acquire_run(bytes);
        ASSERT_TRUE(run) << i;
        pool_.release_run(*run, bytes);
        pool_.release_freed_memory();
    }
    EXPECT_LE(pool_.charged_bytes(), kLimit / 16);
}

TEST_F(SegmentPoolTest, ARunThatWasReleasedServesTheNextOfItsSizeWithoutNewPages) {
    const auto run = pool_.acquire_run(100'000);
    ASSERT_TRUE(run);
    std::memset(pool_.data(*run), 1, 100'000);
    pool_.release_run(*run, 100'000);
    pool_.release_freed_memory();
    EXPECT_EQ(pool_.charged_bytes(), 102'400u) << "kept memory is charged";

    EXPECT_NE(pool_.acquire_run(90'000), run) << "smaller: its charge could not be told";
    EXPECT_EQ(pool_.acquire_run(110'000), run) << "larger, in as many segments";
    EXPECT_EQ(pool_.data(*run)[0], 1) << "the pages were still there";
    EXPECT_EQ(pool_.charged_bytes(), 90'112u + 110'592u);
    EXPECT_NE(pool_.acquire_run(110'000), run) << "once only";
}

TEST_F(SegmentPoolTest, KeptRunsGiveWayToSegmentsAndToYoungerRuns) {
    std::vector<std::uint32_t> runs;
    for (int i = 0; i < 10; ++i) runs.push_back(pool_.acquire_run(100'000).value());
    for (const std::uint32_t run : runs) pool_.release_run(run, 100'000);
    EXPECT_EQ(pool_.charged_bytes(), 2 * 102'400u) << "no more than a sixteenth of the limit";
    EXPECT_EQ(pool_.acquire_run(100'000), runs[9 - 1]) << "the youngest are kept";

    std::size_t segments = 0;
    while (pool_.acquire()) ++segments;
    EXPECT_EQ(segments, (kLimit - 102'400) / kSegment) << "all but what is in use";
    EXPECT_FALSE(pool_.acquire_run(100'000));
}

TEST_F(SegmentPoolTest, SequencesOnlyGrow) {
    const std::uint64_t first = pool_.next_sequence();
    pool_.skip_sequences_to((first + 1000) << 24 | 5);
    EXPECT_GT(pool_.next_sequence(), first + 1000);
    pool_.skip_sequences_to(1);
    EXPECT_GT(pool_.next_sequence(), first + 1001);
}

}  // namespace
}  // namespace shardmill::store
