#pragma once

#include <cstdint>

namespace shardmill::store {

/// What a shard has counted; summed over shards by the caller, under each shard's lock.
struct ShardStats {
    std::uint64_t items = 0;        // resident, expired but unnoticed ones included
    std::uint64_t item_bytes = 0;   // their bytes in the log
    std::uint64_t total_items = 0;  // ever stored
    std::uint64_t evictions = 0;    // live items dropped for space
    std::uint64_t evicted_unfetched = 0;
    std::uint64_t evicted_active = 0;   // dropped although hit since the last chance
    std::uint64_t evicted_nonzero = 0;  // dropped before their deadline
    std::uint64_t expired_unfetched = 0;
    std::uint64_t reclaimed = 0;          // expired items whose space was taken back
    std::uint64_t crawler_reclaimed = 0;  // the same because a crawl was asked for
    std::uint64_t direct_reclaims = 0;    // segments that writes had to empty first
    std::uint64_t moved_items = 0;        // copied by reclaiming
    std::uint64_t promoted_items = 0;     // of those, to the main queue because they were hit
    std::uint64_t moved_bytes = 0;
    std::uint64_t reclaim_looks = 0;  // items gone through by reclaiming
    std::uint64_t resize_looks = 0;   // places gone through by index growth and shrinking
    std::uint64_t out_of_memory = 0;
    std::uint64_t segments = 0;
    std::uint64_t segment_bytes = 0;  // memory of all segments held
    std::uint64_t pinned_bytes = 0;   // of segments that left the cache but are still pinned
    std::uint64_t index_bytes = 0;
    std::uint64_t index_slots = 0;
    std::uint64_t ghost_bytes = 0;  // memory of evicted keys
    std::uint64_t ghost_hits = 0;   // keys that came back while they were remembered
    std::uint32_t evicted_at = 0;   // unix seconds of the last eviction
    std::uint32_t evicted_age = 0;  // seconds since the last access of what it dropped
    bool index_growing = false;
};

}  // namespace shardmill::store
