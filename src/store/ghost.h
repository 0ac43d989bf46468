#pragma once

#include <atomic>
#include <cstdint>

#include "store/segment_pool.h"

namespace shardmill::store {

/// Remembers keys that were evicted without a hit, as 16-bit fingerprints in buckets of sixteen;
/// within a bucket the oldest gives way. A key that comes back while it is remembered has shown
/// that it deserved to stay: the ghost queue of S3-FIFO (Yang et al., SOSP 2023), without the
/// queue. About one key in 4000 is taken for another. One thread at a time.
class GhostFilter {
 public:
    /// Reserves addresses for `keys_max` keys; memory is charged to the pool as it comes into use.
    /// Throws std::system_error.
    GhostFilter(SegmentPool& pool, std::uint64_t keys_max);
    ~GhostFilter();
    GhostFilter(const GhostFilter&) = delete;
    GhostFilter& operator=(const GhostFilter&) = delete;

    /// `resident`: items in the shard. The filter remembers between half as many and as many.
    void remember(std::uint64_t hash, std::uint64_t resident) noexcept;
    /// True if the key was remembered; it no longer is.
    bool take(std::uint64_t hash) noexcept;

    /// There are far fewer items than it was made for.
    bool oversized(std::uint64_t resident) const noexcept {
        return buckets_ * kBucketKeys > 4 * resident;
    }
    /// Forgets everything and gives the memory back.
    void forget() noexcept;

    std::uint64_t bytes() const noexcept { return buckets_ * kBucketBytes; }

 private:
    static constexpr std::uint32_t kBucketKeys = 16;
    static constexpr std::uint64_t kBucketBytes = kBucketKeys * sizeof(std::uint16_t);
    static constexpr std::uint64_t kFirstBuckets = 64;

    static std::uint16_t fingerprint(std::uint64_t hash) noexcept {
        const auto bits = static_cast<std::uint16_t>(hash >> 10);
        return bits != 0 ? bits : 1;  // 0 is an empty place
    }
    std::uint16_t* bucket(std::uint64_t hash, std::uint64_t buckets) const noexcept {
        return keys_ + (hash >> 32 & (buckets - 1)) * kBucketKeys;
    }
    bool take_from(std::uint16_t* bucket, std::uint16_t wanted) noexcept;
    void grow(std::uint64_t resident) noexcept;

    SegmentPool& pool_;
    std::uint64_t buckets_max_;
    std::uint64_t buckets_ = 0;         // a power of two; 0: nothing was ever remembered
    std::uint64_t buckets_before_ = 0;  // the size before the last growth: keys may be there still
    std::uint16_t* keys_ = nullptr;
    std::atomic<bool> giving_back_{false};  // what was forgotten is on its way to the system
};

}  // namespace shardmill::store
