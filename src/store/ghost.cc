#include "store/ghost.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace shardmill::store {

GhostFilter::GhostFilter(SegmentPool& pool, std::uint64_t keys_max)
    : pool_(pool),
      buckets_max_(std::max(std::bit_floor(keys_max / kBucketKeys + 1), kFirstBuckets)) {
    void* memory = ::mmap(nullptr, buckets_max_ * kBucketBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::system_error(
            errno, std::generic_category(),
            "cannot reserve address space for a ghost filter (raise `ulimit -v` or lower -m)");
    }
    keys_ = static_cast<std::uint16_t*>(memory);
}

GhostFilter::~GhostFilter() {
    pool_.forget_give_back(giving_back_);
    ::munmap(keys_, buckets_max_ * kBucketBytes);
    pool_.uncharge(bytes());
}

/// Doubles while there are more than twice as many items as places. What is remembered stays where
/// it is and is looked for there, too, until it has been pushed out.
void GhostFilter::grow(std::uint64_t resident) noexcept {
    if (giving_back_.load(std::memory_order_acquire)) return;
    while (buckets_ < buckets_max_ && resident > 2 * buckets_ * kBucketKeys) {
        const std::uint64_t larger = buckets_ == 0 ? kFirstBuckets : 2 * buckets_;
        if (!pool_.charge((larger - buckets_) * kBucketBytes)) return;
        buckets_before_ = buckets_;
        buckets_ = larger;
    }
}

void GhostFilter::remember(std::uint64_t hash, std::uint64_t resident) noexcept {
    if (resident > 2 * buckets_ * kBucketKeys) [[unlikely]]
        grow(resident);
    if (buckets_ == 0) return;
    std::uint16_t* keys = bucket(hash, buckets_);
    std::memmove(keys + 1, keys, (kBucketKeys - 1) * sizeof(*keys));
    keys[0] = fingerprint(hash);
}

bool GhostFilter::take_from(std::uint16_t* bucket, std::uint16_t wanted) noexcept {
    std::uint16_t* found = std::find(bucket, bucket + kBucketKeys, wanted);
    if (found == bucket + kBucketKeys) return false;
    *found = 0;
    return true;
}

bool GhostFilter::take(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return false;
    const std::uint16_t wanted = fingerprint(hash);
    if (take_from(bucket(hash, buckets_), wanted)) return true;
    return buckets_before_ != 0 && take_from(bucket(hash, buckets_before_), wanted);
}

void GhostFilter::forget() noexcept {
    if (buckets_ == 0) return;
    giving_back_.store(true, std::memory_order_relaxed);
    pool_.give_back_elsewhere(reinterpret_cast<char*>(keys_), bytes(), giving_back_);
    buckets_ = buckets_before_ = 0;
}

}  // namespace shardmill::store
