#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include "store/cut.h"
#include "store/index.h"
#include "store/item.h"
#include "store/segment_table.h"

namespace shardmill::store {

enum class StoreError : std::uint8_t {
    TooLarge,  // larger than any segment the shard can ever hold
    NoMemory,  // nothing (more) can be evicted, or eviction is off
};

/// A key with its hash (base::hash_key), computed once per operation.
struct HashedKey {
    std::string_view key;
    std::uint64_t hash;
};

/// A resident item, found or just stored. Valid until the next call that changes the shard, under the same lock.
struct Handle {
    SlotRef slot;
    char* item = nullptr;
    std::uint32_t segment = 0;
    std::uint32_t offset = 0;
    ItemView view;
    bool fetched_before = false;      // hit since it was stored, not counting this access
    std::uint32_t last_access = 0;    // unix seconds (minutes' resolution when long ago), not counting this access
};

/// Everything about an item that is to be stored. The value is the two parts joined: append and prepend pass the old
/// value, still in the log, as one of them.
struct NewItem {
    HashedKey key;
    std::string_view value_head;
    std::string_view value_tail;
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;      // unix seconds, 0: never
    std::uint64_t cas = 0;          // explicit CAS; 0: derived
    std::uint32_t header_bits = 0;  // of kStale, kWin, kBinaryKey, kHit
};

/// Space for one value outside the index, filled without the lock. Must be committed or abandoned.
struct Reservation {
    std::uint32_t segment = 0;
    std::uint32_t value_bytes = 0;
    char* value = nullptr;
};

/// What a shard has counted; summed over shards by the caller, under each shard's lock.
struct ShardStats {
    std::uint64_t items = 0;             // resident, expired but unnoticed ones included
    std::uint64_t item_bytes = 0;        // their bytes in the log
    std::uint64_t total_items = 0;       // ever stored
    std::uint64_t evictions = 0;         // live items dropped for space
    std::uint64_t evicted_unfetched = 0;
    std::uint64_t evicted_active = 0;    // dropped although hit since the last chance
    std::uint64_t expired_unfetched = 0;
    std::uint64_t reclaimed = 0;         // expired items whose space was taken back by a write
    std::uint64_t crawler_reclaimed = 0; // the same by housekeeping
    std::uint64_t moved_items = 0;       // copied by reclaiming
    std::uint64_t moved_bytes = 0;
    std::uint64_t out_of_memory = 0;
    std::uint64_t segments = 0;
    std::uint64_t segment_bytes = 0;     // memory of all segments held
    std::uint64_t pinned_bytes = 0;      // of segments that left the cache but are still pinned
    std::uint64_t index_bytes = 0;
    std::uint64_t index_slots = 0;
    bool index_growing = false;
};

/// One shard: an index over a log of segments. Plain single-threaded code; every call is made under the shard's lock
/// (ShardSet::lock). `now` is unix seconds and never goes back by the caller's care.
class Shard {
   public:
    Shard(std::uint32_t id, SegmentPool& pool, const ShardConfig& config);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    /// Brings the index lines of `hash` into the cache, and, when those are there, the item. No lock needed for the
    /// first; both are hints only.
    void prefetch_index(std::uint64_t hash) const noexcept { index_.prefetch(hash); }
    void prefetch_item(std::uint64_t hash) const noexcept { index_.prefetch_item(hash, pool_.base()); }

    /// Why a look-up found nothing, for the statistics of memcached.
    enum class Miss : std::uint8_t { None, NotFound, Expired, Flushed };

    /// The live item of a key. An expired or flushed one is dropped on the way. Does not count as an access.
    std::optional<Handle> find(const HashedKey& key, std::uint32_t now, Miss* why = nullptr) noexcept;

    /// Counts an access: frequency and last access, in the index only.
    void bump(const Handle& handle, std::uint32_t now) noexcept;

    /// Stores an item, replacing the key's present one. `existing` is the caller's handle of it, if there is one (a
    /// value part may lie in it). On failure nothing has changed.
    std::expected<Handle, StoreError> put(const NewItem& item, const Handle* existing, std::uint32_t now) noexcept;

    /// Removes a resident item.
    void erase(const Handle& handle) noexcept;

    /// Writes `value` (of the present length) over the item's value. False: not allowed here (pinned, CAS seen by a
    /// client); use put.
    bool overwrite_value(const Handle& handle, std::string_view value) noexcept;

    /// Sets a new deadline, keeping value, flags and CAS. The handle is renewed (the item may move).
    std::expected<Handle, StoreError> set_exptime(const Handle& handle, std::uint32_t exptime, std::uint32_t now) noexcept;

    /// Sets and clears header bits (of kStale, kWin), keeping the CAS unless `new_cas` is given. The handle is renewed.
    std::expected<Handle, StoreError> set_bits(const Handle& handle, std::uint32_t set, std::uint32_t clear,
                                               std::uint32_t now) noexcept;

    /// The item's CAS, from now on promised to stay the same until the item changes.
    std::uint64_t show_cas(const Handle& handle) noexcept;

    /// A CAS never handed out before and larger than all others so far.
    std::uint64_t fresh_cas() noexcept { return pool_.next_sequence() << 24; }

    /// Space of its own for a value of `value_bytes` of the key's item. Filled outside the lock.
    std::expected<Reservation, StoreError> reserve(std::uint32_t key_bytes, std::uint32_t value_bytes,
                                                   std::uint32_t now) noexcept;
    /// Links a filled reservation as the key's item (the value parts of `item` are ignored). Always succeeds.
    Handle commit(const Reservation& reservation, const NewItem& item, const Handle* existing, std::uint32_t now) noexcept;
    void abandon(const Reservation& reservation) noexcept;

    /// Keeps the item's bytes where they are until unpin, whatever happens to the item.
    void pin(std::uint32_t segment) noexcept;
    void unpin(std::uint32_t segment) noexcept;

    /// Everything stored so far is gone at `when` (now or earlier: at once). One pending flush; a later call replaces it.
    void flush_all(std::uint32_t when, std::uint32_t now) noexcept;

    /// Pins all segments as they are now. See ShardCut.
    ShardCut take_cut(std::uint32_t now, std::shared_ptr<CutState> state);
    void release_cut(const PinnedSegment& segment) noexcept;

    /// A bounded piece of background work; true when there is more to do soon.
    bool housekeep(std::uint32_t now) noexcept;

    const ShardStats& stats() const noexcept;
    void reset_stats() noexcept;
    std::uint32_t id() const noexcept { return id_; }

   private:
    friend class ShardTestPeer;
    const std::uint32_t id_;
    SegmentPool& pool_;
    Index index_;
};

}  // namespace shardmill::store
