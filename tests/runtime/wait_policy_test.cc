#include "runtime/wait_policy.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace shardmill::runtime {
namespace {

constexpr std::uint64_t kUs = 1000;
constexpr std::uint64_t kIdleNs = 100'000 * kUs;

/// A few milliseconds of `peers` that send one after the other, one turn for each arrival.
WaitPlan after_traffic(WaitPolicy& policy, std::size_t peers, std::uint64_t gap_ns) {
    std::vector<std::uint32_t> marks(peers, 0);
    WaitPlan plan{};
    std::uint64_t now = 10'000'000;
    for (std::size_t i = 0; now < 20'000'000; ++i, now += gap_ns) {
        policy.note_arrival(marks[i % peers]);
        plan = policy.plan(now, kIdleNs);
    }
    return plan;
}

TEST(WaitPolicyTest, WaitsForTheFirstEventAtTheBeginning) {
    WaitPolicy policy(40);
    const WaitPlan plan = policy.plan(5'000'000, kIdleNs);
    EXPECT_EQ(plan.events, 1u);
    EXPECT_EQ(plan.timeout_ns, kIdleNs);
}

TEST(WaitPolicyTest, NeverHoldsALonePeerBack) {
    for (const std::uint64_t gap : {1 * kUs, 10 * kUs, 100 * kUs}) {
        WaitPolicy policy(40);
        EXPECT_EQ(after_traffic(policy, 1, gap).events, 1u) << gap;
    }
}

TEST(WaitPolicyTest, NeverHoldsTwoOrThreePeersBack) {
    for (const std::size_t peers : {2u, 3u}) {
        WaitPolicy policy(40);
        EXPECT_EQ(after_traffic(policy, peers, 2 * kUs).events, 1u);
    }
}

TEST(WaitPolicyTest, HoldsManyBusyPeersBackForAShortTime) {
    WaitPolicy policy(40);
    const WaitPlan plan = after_traffic(policy, 50, 2 * kUs);
    EXPECT_GE(plan.events, 8u);
    EXPECT_EQ(plan.timeout_ns, 40 * kUs);
}

TEST(WaitPolicyTest, DoesNotWaitForCompanyThatIsNotExpectedInTime) {
    WaitPolicy policy(40);
    EXPECT_EQ(after_traffic(policy, 50, 60 * kUs).events, 1u);
}

TEST(WaitPolicyTest, ForgetsABusyTimeSoon) {
    WaitPolicy policy(40);
    EXPECT_GT(after_traffic(policy, 50, 2 * kUs).events, 1u);
    policy.plan(22'000'000, kIdleNs);
    EXPECT_EQ(policy.plan(24'000'000, kIdleNs).events, 1u);
}

TEST(WaitPolicyTest, CanBeSwitchedOff) {
    WaitPolicy policy(0);
    EXPECT_EQ(after_traffic(policy, 50, 2 * kUs).events, 1u);
}

}  // namespace
}  // namespace shardmill::runtime
