#include "runtime/inbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace shardmill::runtime {
namespace {

TEST(InboxTest, RunsTasksInTheOrderOfPosting) {
    Inbox inbox;
    std::vector<int> order;
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(inbox.post([&order, i] { order.push_back(i); }));
    EXPECT_FALSE(inbox.empty());
    EXPECT_EQ(inbox.run_all(), 10u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_TRUE(inbox.empty());
    EXPECT_EQ(inbox.run_all(), 0u);
}

TEST(InboxTest, LeavesTasksPostedByTasksForTheNextRun) {
    Inbox inbox;
    int runs = 0;
    inbox.post([&] {
        ++runs;
        inbox.post([&] { ++runs; });
    });
    EXPECT_EQ(inbox.run_all(), 1u);
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(inbox.run_all(), 1u);
    EXPECT_EQ(runs, 2);
}

TEST(InboxTest, KeepsTheOrderOfEachOfManyPosters) {
    constexpr int kPosters = 4;
    constexpr int kTasks = 5000;
    Inbox inbox;
    std::vector<std::vector<int>> seen(kPosters);
    std::vector<std::thread> posters;
    for (int poster = 0; poster < kPosters; ++poster) {
        posters.emplace_back([&, poster] {
            for (int i = 0; i < kTasks; ++i) {
                inbox.post([&, poster, i] { seen[static_cast<std::size_t>(poster)].push_back(i); });
            }
        });
    }
    std::size_t ran = 0;
    while (ran < std::size_t{kPosters} * kTasks) ran += inbox.run_all();
    for (std::thread& poster : posters) poster.join();
    for (const auto& order : seen) {
        EXPECT_EQ(order.size(), static_cast<std::size_t>(kTasks));
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    }
}

TEST(InboxTest, DestroysUnrunTasksWhenClosedAndRefusesFurtherOnes) {
    Inbox inbox;
    const auto watched = std::make_shared<int>(0);
    bool ran = false;
    inbox.post([&ran, watched] { ran = true; });
    EXPECT_EQ(watched.use_count(), 2);
    inbox.close();
    EXPECT_EQ(watched.use_count(), 1);
    EXPECT_FALSE(inbox.post([&ran, watched] { ran = true; }));
    EXPECT_EQ(watched.use_count(), 1);
    inbox.close();
    EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace shardmill::runtime
