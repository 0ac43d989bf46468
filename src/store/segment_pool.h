#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "store/segment.h"
#include "store/shard_lock.h"

namespace shardmill::store {

/// The memory that all shards draw from: one reserved range of addresses, cut into units of one
/// segment each, and a budget of bytes (-m, cache_memlimit) that segments and indexes are charged
/// to. The budget can be changed: lowered, the pool is over its limit until the shards have given
/// back enough. Item
/// locations are offsets in the range divided by four, 35 bits: 128 GiB. Thread-safe; its lock is a
/// leaf (taken under a shard's lock, for a few instructions, once per segment) and no system call
/// is made under it.
class SegmentPool {
 public:
    struct Config {
        std::uint64_t memory_limit;    // bytes, the budget
        std::uint32_t segment_bytes;   // power of two, 64 KiB to 1 MiB
        std::uint64_t item_bytes_max;  // the largest item that must find contiguous addresses
        std::uint64_t first_sequence = 1;
        bool large_pages = false;     // ask the kernel for them
        std::uint64_t limit_max = 0;  // the budget can be raised up to here; 0: not raised
    };

    /// Throws std::system_error when the address range cannot be reserved.
    explicit SegmentPool(const Config& config);
    ~SegmentPool();
    SegmentPool(const SegmentPool&) = delete;
    SegmentPool& operator=(const SegmentPool&) = delete;

    char* base() const noexcept { return base_; }
    std::uint32_t segment_bytes() const noexcept { return segment_bytes_; }
    unsigned segment_shift() const noexcept { return segment_shift_; }
    char* data(std::uint32_t segment) const noexcept {
        return base_ + (static_cast<std::uint64_t>(segment) << segment_shift_);
    }
    /// The entry of a segment's first unit. Belongs to the shard that holds the segment.
    Segment& segment(std::uint32_t id) const noexcept { return segments_[id]; }

    /// Whether the budget may be exceeded, once more: by a shard that has just given back as much,
    /// while the pool is over a limit that was lowered. Without that nothing could be stored until
    /// all of the difference is reclaimed.
    enum class Exceed : std::uint8_t { No, InExchange };

    /// A segment of `segment_bytes`, charged to the budget. nullopt: the budget is spent.
    std::optional<std::uint32_t> acquire(Exceed exceed = Exceed::No) noexcept;
    void release(std::uint32_t segment) noexcept;

    /// Contiguous units for one large item, charged with `bytes` rounded up to pages. Memory of a
    /// run that was released and is not larger is used again, where there is one. nullopt: budget
    /// or addresses.
    std::optional<std::uint32_t> acquire_run(std::uint64_t bytes,
                                             Exceed exceed = Exceed::No) noexcept;
    void release_run(std::uint32_t segment, std::uint64_t bytes) noexcept;

    /// Charges memory held elsewhere (an index). False: it does not fit.
    bool charge(std::uint64_t bytes) noexcept;
    void uncharge(std::uint64_t bytes) noexcept;

    /// Memory held elsewhere that is not needed any more: uncharged, and given back to the system
    /// by the next `release_freed_memory`, which clears `pending`. Until then it must not be used.
    void give_back_elsewhere(char* range, std::uint64_t bytes, std::atomic<bool>& pending) noexcept;
    /// The owner of `pending` goes away.
    void forget_give_back(const std::atomic<bool>& pending) noexcept;

    /// Gives a bounded share of the freed pages back to the system: a few milliseconds' worth at
    /// most. Outside all shard locks. Cheap when there is nothing to do. True: there is more.
    bool release_freed_memory() noexcept;

    /// Takes part of the budget's half that values still on their way may hold. False: it is used
    /// up. Every success needs an end_upload of the same bytes.
    bool begin_upload(std::uint64_t bytes) noexcept;
    void end_upload(std::uint64_t bytes) noexcept {
        upload_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    std::uint64_t upload_bytes() const noexcept {
        return upload_bytes_.load(std::memory_order_relaxed);
    }

    /// Changes the budget. Idle memory is given up at once, the rest by those who hold it
    /// (`over_limit`). Any thread, no lock held. False: above limit_max, nothing is changed.
    /// Throws std::bad_alloc, with nothing changed.
    bool set_limit(std::uint64_t bytes);

    /// Memory that counts against the budget but that nobody here can give up (buffers of
    /// connections) has changed from `before` to `now` bytes. A little of it is free, the rest is
    /// taken off what segments and indexes may have, down to half of the limit (`budget`). Any
    /// thread.
    void charge_buffers(std::uint64_t before, std::uint64_t now) noexcept;

    /// Never reused, process-wide, growing: names a filling of a segment and orders CAS values.
    std::uint64_t next_sequence() noexcept {
        return sequence_.fetch_add(1, std::memory_order_relaxed);
    }
    /// Makes every later sequence larger than what `cas` was derived from (restored items keep
    /// their CAS).
    void skip_sequences_to(std::uint64_t cas) noexcept;
    std::uint64_t last_sequence() const noexcept {
        return sequence_.load(std::memory_order_relaxed);
    }

    /// The kernel was asked for large pages and has agreed.
    bool large_pages() const noexcept { return large_pages_; }

    std::uint32_t units() const noexcept { return units_; }
    /// Units that a budget can have in use at the same time, those lent to scans included.
    std::uint32_t units_for(std::uint64_t limit) const noexcept;
    std::uint64_t memory_limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    /// What is left of the limit for segments and indexes.
    std::uint64_t budget() const noexcept;
    std::uint64_t limit_max() const noexcept { return limit_max_; }
    std::uint64_t charged_bytes() const noexcept {
        return charged_.load(std::memory_order_relaxed);
    }
    /// More is charged than the budget allows, because it has become smaller.
    bool over_limit() const noexcept { return charged_bytes() > budget(); }

 private:
    struct FreedRange {
        std::uint32_t first_unit = 0;
        std::uint32_t units = 0;  // 0: a piece of a range of which more is to come
        char* memory = nullptr;   // nullptr: from the first unit on
        std::uint64_t bytes = 0;  // still to be released
    };
    struct FreedElsewhere {
        char* range;
        std::uint64_t bytes;
        std::atomic<bool>* pending;
    };

    bool charge_locked(std::uint64_t bytes) noexcept;
    void give_up_idle_locked(std::uint64_t limit) noexcept;
    void release_charged_run(const FreedRange& run) noexcept;
    void give_up_idle_run() noexcept;
    std::optional<FreedRange> take_idle_run(std::uint32_t units, std::uint64_t bytes) noexcept;
    void free_run(const FreedRange& run) noexcept;
    bool reserve_addresses(std::uint64_t limit, std::uint64_t item_bytes_max) noexcept;
    std::size_t take_freed(std::span<FreedRange> batch) noexcept;
    std::optional<std::uint32_t> find_run(std::uint32_t units) noexcept;
    void mark_run(std::uint32_t first, std::uint32_t units, bool used) noexcept;

    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> buffer_bytes_{0};  // see charge_buffers
    std::uint64_t limit_max_;
    std::uint32_t segment_bytes_;
    unsigned segment_shift_;
    std::uint32_t
        single_units_;  // units [1, single_units_) are handed out one by one, the rest in runs
    std::uint32_t units_;
    char* base_ = nullptr;
    std::uint64_t reserved_bytes_ = 0;
    bool large_pages_ = false;
    Segment* segments_ = nullptr;
    std::atomic<std::uint64_t> sequence_;
    std::atomic<std::uint64_t> charged_{0};  // written under lock_, read by statistics
    std::atomic<bool> has_freed_{false};
    std::atomic<std::uint64_t> upload_bytes_{0};

    ShardLock lock_;
    std::uint32_t next_fresh_ = 1;              // units from here on have never been used
    std::vector<std::uint32_t> free_charged_;   // memory still there and charged
    std::vector<std::uint32_t> free_released_;  // memory given back, not charged
    std::vector<bool> run_used_;                // of the units from single_units_ on
    std::uint32_t run_hint_ = 0;
    std::vector<FreedRange> idle_runs_;  // memory still there and charged, the oldest first
    std::uint64_t idle_run_bytes_ = 0;   // of those
    std::vector<FreedRange> freed_;      // waiting for madvise
    std::uint64_t freed_bytes_ = 0;      // of those
    std::vector<FreedElsewhere> freed_elsewhere_;
};

}  // namespace shardmill::store
