#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace shardmill::bench {

/// Counts durations in logarithmic buckets of 1/64 of their power of two (relative error below 1.6
/// %), from one nanosecond to hours. Fixed size, no allocation; one thread writes, `merge` joins
/// the threads' histograms afterwards.
class Histogram {
 public:
    void record(std::uint64_t nanoseconds) noexcept {
        ++counts_[bucket_of(nanoseconds)];
        ++total_;
        sum_ += nanoseconds;
        if (nanoseconds > max_) max_ = nanoseconds;
    }

    void merge(const Histogram& other) noexcept {
        for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
        total_ += other.total_;
        sum_ += other.sum_;
        if (other.max_ > max_) max_ = other.max_;
    }

    std::uint64_t count() const noexcept { return total_; }
    std::uint64_t max_ns() const noexcept { return max_; }
    double mean_ns() const noexcept {
        return total_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(total_);
    }

    /// The upper edge of the bucket that holds the value at `fraction` (0.99 for p99), never above
    /// the maximum; 0 when nothing was recorded.
    std::uint64_t quantile_ns(double fraction) const noexcept;

 private:
    static constexpr unsigned kSubBits = 6;
    static constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
    static constexpr unsigned kMaxBits = 44;  // 2^44 ns are almost five hours
    static constexpr std::size_t kBuckets = (kMaxBits - kSubBits + 1) * kSub;

    static std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < kSub) return value;
        const unsigned bits = static_cast<unsigned>(std::bit_width(value));
        if (bits > kMaxBits) return kBuckets - 1;
        const unsigned shift = bits - 1 - kSubBits;
        return (shift + 1) * kSub + ((value >> shift) - kSub);
    }
    static std::uint64_t upper_edge(std::size_t bucket) noexcept {
        if (bucket < kSub) return bucket;
        const auto shift = static_cast<unsigned>(bucket / kSub - 1);
        const std::uint64_t low = (kSub + bucket % kSub) << shift;
        return low + (std::uint64_t{1} << shift) - 1;
    }

    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t total_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace shardmill::bench
