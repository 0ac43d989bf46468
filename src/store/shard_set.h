#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/assert.h"
#include "store/shard.h"
#include "store/shard_lock.h"

namespace shardmill::store {

struct StoreConfig {
    std::uint64_t memory_limit = 64u
                                 << 20;  // bytes, -m: segments and indexes of all shards together
    std::uint32_t shards =
        0;  // power of two up to 1024; 0: about four per reactor, none under 16 MiB
    std::uint32_t reactors = 4;
    std::uint64_t item_bytes_max = 1u << 20;               // -I
    bool evict = true;                                     // false: -M
    bool large_pages = false;                              // -L: for items, if the kernel has them
    double hit_weight = 0;                                 // see ShardConfig
    std::uint32_t small_share = 0;                         // see ShardConfig
    std::optional<SizeHistogram::Sizes> track_sizes = {};  // see ShardConfig
    std::uint64_t limit_max = 0;  // bytes up to which the limit can be raised; 0: not
};

/// All shards of a server with their locks. Shared by all reactors.
class ShardSet {
    struct Entry;

 public:
    /// Throws std::bad_alloc or std::system_error when the address space cannot be had; only at
    /// start.
    explicit ShardSet(const StoreConfig& config);
    ~ShardSet();
    ShardSet(const ShardSet&) = delete;
    ShardSet& operator=(const ShardSet&) = delete;

    std::uint32_t size() const noexcept { return count_; }
    /// Items are in large pages, as was asked for.
    bool large_pages() const noexcept;
    std::uint32_t shard_of(std::uint64_t hash) const noexcept {
        return static_cast<std::uint32_t>(hash) & (count_ - 1);
    }

    /// A shard under its lock. One at a time per thread; held briefly; never across a system call.
    class Guard {
     public:
        ~Guard();
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        Shard* operator->() const noexcept;
        Shard& operator*() const noexcept;

     private:
        friend class ShardSet;
        Entry& entry_;
        explicit Guard(Entry& entry) noexcept : entry_(entry) {}
    };
    Guard lock(std::uint32_t shard) noexcept;

    /// What waiting for a shard's lock has cost since the start. Any thread, no lock needed.
    LockWaits lock_waits(std::uint32_t shard) const noexcept;

    /// For prefetching only.
    const Shard& peek(std::uint32_t shard) const noexcept;

    /// A consistent cut over all shards: from this call on a shard is cut before anything else
    /// happens under its lock, so whatever a client has seen happen is in the cut and whatever
    /// follows from this moment is not, without stopping all shards at once. Every shard's part
    /// must then be collected; a second cut must not begin before.
    std::shared_ptr<CutState> begin_cut(std::uint32_t now);
    ShardCut collect_cut(std::uint32_t shard);
    /// Gives back segments of any cuts; to be called with a few at a time.
    void release_cut(std::span<const PinnedSegment> segments) noexcept;

    /// Gives a bounded share of the memory that shards have freed back to the system. Outside all
    /// locks. True: there is more.
    bool release_freed_memory() noexcept;

    /// Changes the limit while requests go on. Raised, it holds at once (as far as there were
    /// addresses for `limit_max`); lowered, housekeeping reclaims segment by segment, and until
    /// then storing takes the place of what is given up. Any thread, no lock held. False: too
    /// large, or too small for the segments that every shard has open; nothing is changed.
    bool set_memory_limit(std::uint64_t bytes) noexcept;

    /// Buffers of connections have changed from `before` to `now` bytes. They count against the
    /// limit: see SegmentPool::charge_buffers; what items have to give up for them, housekeeping
    /// reclaims. Any thread.
    void charge_buffers(std::uint64_t before, std::uint64_t now) noexcept;

    /// Restored items keep their CAS: later ones must be larger.
    void skip_cas_to(std::uint64_t cas) noexcept;

    std::uint64_t memory_limit() const noexcept {
        return memory_limit_.load(std::memory_order_relaxed);
    }
    /// What is left of the limit for segments and indexes.
    std::uint64_t budget() const noexcept;
    std::uint64_t charged_bytes() const noexcept;
    std::uint32_t segment_bytes() const noexcept;

 private:
    void cut_now(Entry& entry) noexcept;

    std::uint32_t count_;
    std::atomic<std::uint64_t> memory_limit_;
    ShardLock limit_changes_;  // taken before a shard's
    std::vector<std::unique_ptr<SegmentPool>> pools_;
    std::vector<std::unique_ptr<Entry>> entries_;

    std::atomic<std::uint32_t> epoch_{0};
    // Written by begin_cut before the epoch moves on, when no shard can be looking.
    std::shared_ptr<CutState> cut_state_;
    std::uint32_t cut_now_ = 0;
    std::atomic<std::uint32_t> uncollected_{0};
};

/// A shard with what guards it, on cache lines of its own.
struct alignas(64) ShardSet::Entry {
    ShardLock lock;
    std::uint32_t epoch = 0;
    std::optional<ShardCut> cut;  // taken, not collected yet
    alignas(64) Shard shard;

    Entry(std::uint32_t id, SegmentPool& pool, const ShardConfig& config)
        : shard(id, pool, config) {}
};

inline ShardSet::Guard::~Guard() { entry_.lock.unlock(); }
inline Shard* ShardSet::Guard::operator->() const noexcept { return &entry_.shard; }
inline Shard& ShardSet::Guard::operator*() const noexcept { return entry_.shard; }

inline ShardSet::Guard ShardSet::lock(std::uint32_t shard) noexcept {
    Entry& entry = *entries_[shard];
    entry.lock.lock();
    if (entry.epoch != epoch_.load(std::memory_order_acquire)) [[unlikely]]
        cut_now(entry);
    return Guard(entry);
}

inline LockWaits ShardSet::lock_waits(std::uint32_t shard) const noexcept {
    return entries_[shard]->lock.waits();
}

inline const Shard& ShardSet::peek(std::uint32_t shard) const noexcept {
    return entries_[shard]->shard;
}

}  // namespace shardmill::store
