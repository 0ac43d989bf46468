#include "engine/exptime.h"

#include <gtest/gtest.h>

namespace shardmill::engine {
namespace {

constexpr base::UnixSeconds kStart = 1'700'000'000;
constexpr base::UnixSeconds kNow = kStart + 500;

TEST(ExptimeTest, UpToThirtyDaysAreRelative) {
    EXPECT_EQ(deadline_of(0, kNow, kStart), kNever);
    EXPECT_EQ(deadline_of(1, kNow, kStart), kNow + 1);
    EXPECT_EQ(deadline_of(2'592'000, kNow, kStart), kNow + 2'592'000);
}

TEST(ExptimeTest, LargerOnesAreUnixTimeAndPastBeforeTheStart) {
    EXPECT_EQ(deadline_of(2'592'001, kNow, kStart), kLongExpired);
    EXPECT_EQ(deadline_of(1'700'000'000, kNow, kStart), kLongExpired);
    EXPECT_EQ(deadline_of(1'700'000'001, kNow, kStart), kStart + 1);
    EXPECT_EQ(deadline_of(2'147'483'647, kNow, kStart), 2'147'483'647u);
}

TEST(ExptimeTest, NegativeOnesHaveLongPassed) {
    EXPECT_EQ(deadline_of(-1, kNow, kStart), kLongExpired);
    EXPECT_EQ(deadline_of(INT32_MIN, kNow, kStart), kLongExpired);
}

TEST(ExptimeTest, SecondsLeftAreMinusOneForEverAndNeverNegativeOtherwise) {
    EXPECT_EQ(seconds_left(kNever, kNow), -1);
    EXPECT_EQ(seconds_left(kNow + 7, kNow), 7);
    EXPECT_EQ(seconds_left(kLongExpired, kNow), 0);
}

}  // namespace
}  // namespace shardmill::engine
