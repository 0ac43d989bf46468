#include "store/shard_lock.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

namespace shardmill::store {
namespace {

TEST(ShardLockTest, LetsOneInAtATimeWithMoreThreadsThanCores) {
    ShardLock lock;
    long counter = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 20'000; ++round) {
                const std::lock_guard guard(lock);
                ++counter;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(counter, 160'000);
}

TEST(ShardLockTest, CountsWhoHadToWait) {
    ShardLock lock;
    for (int i = 0; i < 100; ++i) const std::lock_guard guard(lock);
    EXPECT_EQ(lock.waits().contended, 0u);
    EXPECT_EQ(lock.waits().wait_ns, 0u);
    // Two that want it all the time, until one has met the other.
    const auto compete = [&lock] {
        while (lock.waits().contended == 0) const std::lock_guard guard(lock);
    };
    std::thread other(compete);
    compete();
    other.join();
    EXPECT_GE(lock.waits().contended, 1u);
    EXPECT_GT(lock.waits().wait_ns, 0u);
}

TEST(ShardLockTest, TryLockDoesNotWait) {
    ShardLock lock;
    ASSERT_TRUE(lock.try_lock());
    EXPECT_FALSE(lock.try_lock());
    lock.unlock();
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
}

}  // namespace
}  // namespace shardmill::store
