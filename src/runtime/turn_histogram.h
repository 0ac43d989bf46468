#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace shardmill::runtime {

/// How long a reactor's turns were, in microseconds: two buckets for each power of two, so that a
/// bucket's bounds are at most half apart. Only the busy part of a turn counts, from its first
/// completion to the last thing queued, not the waiting. One writer, readers on any thread.
class alignas(64) TurnHistogram {
 public:
    static constexpr std::size_t kBuckets = 40;  // the last one takes everything from 0.8 s on

    static constexpr std::size_t bucket_of(std::uint64_t ns) noexcept {
        const std::uint64_t us = ns / 1000;
        if (us < 2) return us;
        const auto width = static_cast<std::size_t>(std::bit_width(us));
        const std::size_t bucket = 2 * (width - 1) + (us >> (width - 2) & 1);
        return bucket < kBuckets ? bucket : kBuckets - 1;
    }
    /// Turns of a bucket were shorter than this.
    static constexpr std::uint64_t end_us(std::size_t bucket) noexcept {
        return bucket < 2 ? bucket + 1 : (3 + (bucket & 1)) << (bucket / 2 - 1);
    }

    void add(std::uint64_t ns) noexcept {
        // A load and a store, not a read-modify-write: there is one writer.
        increase(counts_[bucket_of(ns)], 1);
        increase(busy_ns_, ns);
    }
    std::uint64_t count(std::size_t bucket) const noexcept {
        return counts_[bucket].load(std::memory_order_relaxed);
    }
    std::uint64_t busy_ns() const noexcept { return busy_ns_.load(std::memory_order_relaxed); }

 private:
    static void increase(std::atomic<std::uint64_t>& value, std::uint64_t by) noexcept {
        value.store(value.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }

    std::atomic<std::uint64_t> busy_ns_{0};
    std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
};
static_assert(TurnHistogram::end_us(TurnHistogram::bucket_of(1'999)) == 2);
static_assert(TurnHistogram::end_us(TurnHistogram::bucket_of(2'000)) == 3);
static_assert(TurnHistogram::end_us(TurnHistogram::bucket_of(5'999)) == 6);
static_assert(TurnHistogram::end_us(TurnHistogram::bucket_of(1'000'000)) == 1024);

}  // namespace shardmill::runtime
