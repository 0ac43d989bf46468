// Memory of connections: what is kept, what goes back, and what is told of it.

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "fake_executor.h"
#include "net/buffer_account.h"
#include "net/buffer_pool.h"

namespace shardmill::net {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

TEST(BufferPoolTest, KeepsALittleAndGivesUpWhatNobodyNeeds) {
    BufferPool pool(kMiB);
    std::vector<Buffer> buffers;
    for (int i = 0; i < 100; ++i) buffers.push_back(pool.take(100'000));
    for (Buffer& buffer : buffers) buffer.memory[buffer.capacity - 1] = 'x';
    EXPECT_EQ(pool.bytes_in_use(), 100u * 131'072);
    for (Buffer& buffer : buffers) pool.give_back(buffer);
    EXPECT_EQ(pool.bytes_in_use(), 0u);
    EXPECT_GT(pool.bytes_kept(), 0u);
    EXPECT_LE(pool.bytes_kept(), kMiB);

    pool.trim();
    const std::uint64_t kept = pool.bytes_kept();
    EXPECT_GT(kept, 0u) << "some were in use until now";
    for (int i = 0; i < 3; ++i) buffers[static_cast<std::size_t>(i)] = pool.take(100'000);
    for (int i = 0; i < 3; ++i) pool.give_back(buffers[static_cast<std::size_t>(i)]);
    pool.trim();
    EXPECT_EQ(pool.bytes_kept(), 3u * 131'072) << "as many as were needed meanwhile";
    pool.trim();
    EXPECT_EQ(pool.bytes_kept(), 0u);
}

TEST(BufferPoolTest, WhatIsFilledSurvivesGrowth) {
    BufferPool pool(kMiB);
    Buffer buffer;
    std::string expected;
    for (int i = 0; i < 300; ++i) {
        const std::string piece(1000, static_cast<char>('a' + i % 26));
        pool.append(buffer, piece);
        expected += piece;
    }
    EXPECT_EQ(buffer.view(), expected);
    pool.give_back(buffer);
}

TEST(BufferPoolTest, NothingNeedsNoMemory) {
    BufferPool pool{kMiB};
    Buffer buffer;
    pool.append(buffer, {});
    EXPECT_EQ(pool.bytes_in_use(), 0u);
    pool.ensure_room(buffer, 0);
    EXPECT_NE(buffer.memory, nullptr);
    pool.give_back(buffer);
}

TEST(BufferPoolTest, ABufferThatIsNeverEmptyStaysSmall) {
    BufferPool pool(kMiB);
    Buffer buffer;
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    const auto byte_at = [](std::uint64_t at) { return static_cast<char>(at * 7 % 251); };
    while (written < 4'000'000) {
        std::string piece;
        for (int i = 0; i < 3000; ++i) piece += byte_at(written++);
        pool.append(buffer, piece);
        while (buffer.size() > 500) {
            ASSERT_EQ(*buffer.data(), byte_at(read)) << read;
            ++read;
            ++buffer.begin;
        }
        ASSERT_LE(buffer.capacity, 8192u);
    }
    pool.give_back(buffer);
    EXPECT_EQ(pool.bytes_in_use(), 0u);
}

/// Notes what it is told of buffers.
class BookKeeper final : public net::testing::FakeExecutor {
 public:
    using testing::FakeExecutor::FakeExecutor;
    void buffers_changed(std::uint64_t before, std::uint64_t now) noexcept override {
        EXPECT_EQ(before, charged);
        charged = now;
        ++calls;
    }
    std::uint64_t charged = 0;
    int calls = 0;
};

TEST(BufferAccountTest, TellsOfMoreAtOnceAndOfLessAfterASecond) {
    testing::FakeStore store;
    BookKeeper keeper(store);
    BufferAccount account(keeper);
    account.note(2 * kMiB, 10);
    EXPECT_EQ(keeper.charged, 2 * kMiB);
    account.note(2 * kMiB + 1000, 10);
    EXPECT_EQ(keeper.calls, 1) << "not worth a word";
    account.note(9 * kMiB, 10);
    EXPECT_EQ(keeper.charged, 9 * kMiB);
    for (int turn = 0; turn < 100; ++turn) EXPECT_FALSE(account.note(kMiB, 10));
    EXPECT_EQ(keeper.charged, 9 * kMiB) << "it comes and goes";
    EXPECT_TRUE(account.note(kMiB, 11));
    EXPECT_EQ(keeper.charged, 9 * kMiB) << "that was the most of the second that has passed";
    account.note(3 * kMiB, 11);
    account.note(kMiB, 12);
    EXPECT_EQ(keeper.charged, 3 * kMiB);
    account.close();
    EXPECT_EQ(keeper.charged, 0u);
}

}  // namespace
}  // namespace shardmill::net
