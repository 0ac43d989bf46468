#include "bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "bench/random.h"

namespace shardmill::bench {
namespace {

TEST(HistogramTest, IsEmptyAtFirst) {
    const Histogram histogram;
    EXPECT_EQ(histogram.count(), 0u);
    EXPECT_EQ(histogram.quantile_ns(0.5), 0u);
    EXPECT_EQ(histogram.max_ns(), 0u);
    EXPECT_EQ(histogram.mean_ns(), 0.0);
}

TEST(HistogramTest, KeepsSmallValuesExactly) {
    Histogram histogram;
    for (std::uint64_t value = 1; value <= 60; ++value) histogram.record(value);
    EXPECT_EQ(histogram.quantile_ns(0.5), 30u);
    EXPECT_EQ(histogram.quantile_ns(1.0), 60u);
    EXPECT_EQ(histogram.quantile_ns(0.0), 1u);
}

TEST(HistogramTest, QuantilesAreWithinTwoPercentOfTheSortedValues) {
    Random random(1);
    Histogram histogram;
    std::vector<std::uint64_t> values;
    for (int i = 0; i < 100'000; ++i) {
        const auto value = static_cast<std::uint64_t>(std::exp(random.unit() * 25.0));
        values.push_back(value);
        histogram.record(value);
    }
    std::sort(values.begin(), values.end());
    for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
        const auto index =
            static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(values.size()))) - 1;
        const auto exact = static_cast<double>(values[index]);
        const auto found = static_cast<double>(histogram.quantile_ns(fraction));
        EXPECT_GE(found, exact) << fraction;
        EXPECT_LE(found, exact * 1.02 + 1) << fraction;
    }
    EXPECT_EQ(histogram.max_ns(), values.back());
}

TEST(HistogramTest, TakesValuesBeyondItsRangeIntoTheLastBucket) {
    Histogram histogram;
    histogram.record(UINT64_MAX / 2);
    EXPECT_EQ(histogram.count(), 1u);
    EXPECT_EQ(histogram.max_ns(), UINT64_MAX / 2);
    EXPECT_GT(histogram.quantile_ns(0.5), std::uint64_t{1} << 43);
}

TEST(HistogramTest, MergedHistogramsAreLikeOne) {
    Histogram low;
    Histogram high;
    Histogram both;
    for (std::uint64_t i = 1; i <= 1000; ++i) {
        low.record(i);
        high.record(i * 1000);
        both.record(i);
        both.record(i * 1000);
    }
    low.merge(high);
    EXPECT_EQ(low.count(), both.count());
    EXPECT_EQ(low.max_ns(), both.max_ns());
    EXPECT_EQ(low.mean_ns(), both.mean_ns());
    for (const double fraction : {0.1, 0.5, 0.7, 0.99}) {
        EXPECT_EQ(low.quantile_ns(fraction), both.quantile_ns(fraction));
    }
}

}  // namespace
}  // namespace shardmill::bench
