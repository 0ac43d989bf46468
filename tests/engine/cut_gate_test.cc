#include "engine/cut_gate.h"

#include <gtest/gtest.h>

namespace shardmill::engine {
namespace {

TEST(CutGateTest, OneIsInsideAtATime) {
    CutGate gate;
    EXPECT_TRUE(gate.enter());
    EXPECT_FALSE(gate.enter());
    gate.leave();
    EXPECT_TRUE(gate.enter());
}

TEST(CutGateTest, ACutWaitsForTheOneInsideAndKeepsOthersOut) {
    CutGate gate;
    EXPECT_TRUE(gate.enter());
    gate.want_cut();
    EXPECT_FALSE(gate.clear());
    gate.leave();
    EXPECT_TRUE(gate.clear());
    EXPECT_FALSE(gate.enter());
    gate.cut_taken();
    EXPECT_TRUE(gate.enter());
}

TEST(CutGateTest, SeveralCutsMayBeWantedAtOnce) {
    CutGate gate;
    gate.want_cut();
    gate.want_cut();
    EXPECT_TRUE(gate.clear());
    gate.cut_taken();
    EXPECT_FALSE(gate.enter());
    gate.cut_taken();
    EXPECT_TRUE(gate.enter());
}

}  // namespace
}  // namespace shardmill::engine
