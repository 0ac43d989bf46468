#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "store/cut.h"
#include "store/ghost.h"
#include "store/index.h"
#include "store/item.h"
#include "store/segment_pool.h"
#include "store/shard_stats.h"
#include "store/size_histogram.h"

namespace shardmill::store {

enum class StoreError : std::uint8_t {
    TooLarge,  // larger than any segment the shard can ever hold
    NoMemory,  // nothing (more) can be evicted, or eviction is off
};

/// A key with its hash (base::hash_key), computed once per operation.
struct HashedKey {
    std::string_view key;
    std::uint64_t hash;
    SlotRef seen = nullptr;  // what Shard::prefetch_item said, however long ago
};

/// A resident item, found or just stored. Valid until the next call that changes the shard, under
/// the same lock.
struct Handle {
    SlotRef slot;
    char* item = nullptr;
    std::uint32_t segment = 0;
    std::uint32_t offset = 0;
    ItemView view;
    bool fetched_before = false;  // hit since it was stored, not counting this access
    std::uint32_t last_access =
        0;  // unix seconds (minutes' resolution when long ago), not counting this access
};

/// What the index knows of an item's use.
struct ItemAccess {
    std::uint32_t last_access = 0;  // as Handle::last_access
    bool fetched = false;
    std::uint8_t frequency = 0;  // accesses since it was stored or last moved, at most 3
};

/// A live item that is dropped for its space.
struct EvictedItem {
    const ItemView& view;
    ItemAccess access;
    std::uint32_t now;
};

/// Whoever wants to know what leaves a shard. Called under the shard's lock; must be quick and
/// leave the shard alone.
class EvictionObserver {
 public:
    virtual ~EvictionObserver() = default;
    virtual void evicted(const EvictedItem& item) noexcept = 0;
};

/// Everything about an item that is to be stored. The value is the two parts joined: append and
/// prepend pass the old value, still in the log, as one of them.
struct NewItem {
    HashedKey key;
    std::string_view value_head;
    std::string_view value_tail;
    std::uint32_t value_blanks = 0;  // spaces behind the two
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
    std::uint64_t upload_bytes = 0;  // on the pool's account of values on their way
};

struct ShardConfig {
    std::uint64_t share_bytes =
        16u << 20;      // the memory the shard can expect of the pool's first limit: sizes the
                        // index, nothing is reserved, and follows when that limit is changed
    bool evict = true;  // false (-M): a full store refuses instead of dropping live items
    /// What a hit counts for: size to the power of this. 0: eviction keeps the share of requests
    /// high that hit, 1: the share of bytes, between: a compromise.
    double hit_weight = 0;
    /// Percent of the segments' memory for items that were not hit yet, as in S3-FIFO; 0: no fixed
    /// part, the lowest worth goes whichever queue it is in.
    std::uint32_t small_share = 0;
    std::optional<SizeHistogram::Sizes> track_sizes = {};  // keep a histogram of sizes
};

/// One shard: an index over a log of segments. Plain single-threaded code; every call is made under
/// the shard's lock (ShardSet::lock). `now` is unix seconds and never goes back by the caller's
/// care.
class Shard {
 public:
    Shard(std::uint32_t id, SegmentPool& pool, const ShardConfig& config);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    /// Brings the index lines of `hash` into the cache, and, when those are there, the item, whose
    /// slot as it seems to be is returned. No lock needed; hints only.
    void prefetch_index(std::uint64_t hash) const noexcept { index_.prefetch(hash); }
    SlotRef prefetch_item(std::uint64_t hash) const noexcept {
        return index_.prefetch_item(hash, pool_.base());
    }

    /// Why a look-up found nothing, for the statistics of memcached.
    enum class Miss : std::uint8_t { None, NotFound, Expired, Flushed };

    /// The live item of a key. An expired or flushed one is dropped on the way. Does not count as
    /// an access.
    std::optional<Handle> find(const HashedKey& key, std::uint32_t now,
                               Miss* why = nullptr) noexcept;

    /// The use of an item that lies in a pinned segment of a cut. Any thread, no lock. `now`: not
    /// before any access so far, nor hours after it. nullopt: the item has been moved, replaced or
    /// removed since the cut, or is being moved; `find` tells which.
    std::optional<ItemAccess> peek_access(std::uint64_t hash, const ItemView& item,
                                          std::uint32_t now) const noexcept;

    /// Drops the key's item if it has expired, as the crawler of memcached does. True: it had.
    bool reclaim_expired(const HashedKey& key, std::uint32_t now) noexcept;

    /// Has `observer` told of evictions from now on; nullptr: nobody. It outlives its being told.
    void observe_evictions(EvictionObserver* observer) noexcept { observer_ = observer; }

    /// Counts an access: frequency and last access, in the index only.
    void bump(const Handle& handle, std::uint32_t now) noexcept;

    /// Stores an item, replacing the key's present one. `existing` is the caller's handle of it, if
    /// there is one (a value part may lie in it). On failure nothing has changed.
    std::expected<Handle, StoreError> put(const NewItem& item, const Handle* existing,
                                          std::uint32_t now) noexcept;

    /// Removes a resident item.
    void erase(const Handle& handle) noexcept;

    /// Writes `value`, not longer than the present one, over the item's value and fills up with
    /// blanks. False: not allowed here (pinned, CAS seen by a client); use put.
    bool overwrite_value(const Handle& handle, std::string_view value) noexcept;

    /// Sets a new deadline, keeping value, flags and CAS. The handle is renewed (the item may
    /// move).
    std::expected<Handle, StoreError> set_exptime(const Handle& handle, std::uint32_t exptime,
                                                  std::uint32_t now) noexcept;

    /// Sets and clears header bits (of kStale, kWin), keeping the CAS unless `new_cas` is given.
    /// The handle is renewed.
    std::expected<Handle, StoreError> set_bits(const Handle& handle, std::uint32_t set,
                                               std::uint32_t clear, std::uint32_t now,
                                               std::uint64_t new_cas = 0) noexcept;

    /// The item's CAS, from now on promised to stay the same until the item changes.
    std::uint64_t show_cas(const Handle& handle) noexcept;

    /// A CAS never handed out before and larger than all others so far.
    std::uint64_t fresh_cas() noexcept { return pool_.next_sequence() << 24; }

    /// Space of its own for a value of `value_bytes` of the key's item. Filled outside the lock.
    /// NoMemory also when values on their way hold half of the pool's memory already: what is not
    /// there yet must not take all the place of what is.
    std::expected<Reservation, StoreError> reserve(std::uint32_t key_bytes,
                                                   std::uint32_t value_bytes,
                                                   std::uint32_t now) noexcept;
    /// Links a filled reservation as the key's item (the value parts of `item` are ignored). Either
    /// way the reservation is used up; NoMemory only when the index has no room left for a new key.
    std::expected<Handle, StoreError> commit(const Reservation& reservation, const NewItem& item,
                                             const Handle* existing, std::uint32_t now) noexcept;
    void abandon(const Reservation& reservation) noexcept;

    /// Keeps the item's bytes where they are until unpin, whatever happens to the item.
    void pin(std::uint32_t segment) noexcept;
    void unpin(std::uint32_t segment) noexcept;

    /// Everything stored so far is gone at `when` (now or earlier: at once). One pending flush; a
    /// later call replaces it.
    void flush_all(std::uint32_t when, std::uint32_t now) noexcept;

    /// Everything that was neither stored nor read since `before`, which is past, is gone. A
    /// pending flush is not any more.
    void flush_unused(std::uint32_t before) noexcept;

    /// Pins all segments as they are now. See ShardCut.
    ShardCut take_cut(std::uint32_t now, std::shared_ptr<CutState> state);
    void release_cut(const PinnedSegment& segment) noexcept;

    /// A bounded piece of background work; true when there is more to do soon.
    bool housekeep(std::uint32_t now) noexcept;

    /// Before the pool's limit is raised: `room`, empty and with a capacity of the pool's
    /// `units_for` the new limit, takes the place of a smaller list; the old one is left in it.
    void make_list_room(std::vector<std::uint32_t>& room) noexcept;

    ShardStats stats() const noexcept;
    void reset_stats() noexcept;

    /// To the statistics, the item that was just put is an old one with a change, not another one
    /// stored.
    void count_as_change() noexcept { --stats_.total_items; }

    /// Seconds since the last access of what is at the end of the queues, the longest of all; of
    /// each only the first few items are looked at.
    std::uint32_t tail_age(std::uint32_t now) noexcept;

    /// nullptr unless track_sizes is set.
    const SizeHistogram* sizes() const noexcept { return sizes_.get(); }

    /// Shows live items in no particular order: the places from `cursor` on (0: the first),
    /// `places_max` of them, the rest in further calls. Returns where to go on, 0 after the last
    /// one. The shard may change between the calls; what is stored or dropped meanwhile is seen or
    /// not, and while the index changes its size an item may come twice or not at all.
    template <typename Visit>
    std::uint64_t walk(std::uint64_t cursor, std::uint64_t places_max, std::uint32_t now,
                       Visit&& visit) const {
        const std::uint64_t end = std::min(cursor + places_max, index_.places());
        for (; cursor < end; ++cursor) {
            const std::uint64_t word = index_.word_at(cursor);
            if (word == 0) continue;
            const Place place = place_of(Slot::location(word));
            const ItemView item = view_at(place);
            if (!item.expired(now) && !flushed(meta(place.segment))) visit(item);
        }
        return end < index_.places() ? end : 0;
    }
    std::uint32_t id() const noexcept { return id_; }

 private:
    friend class ShardTestPeer;

    struct Place {
        std::uint32_t segment;
        std::uint32_t offset;
    };
    struct Queue {
        std::uint32_t oldest = kNoSegment;
        std::uint32_t youngest = kNoSegment;
        std::uint32_t open = kNoSegment;     // new items are appended to it; not linked yet
        std::uint32_t cleaned = kNoSegment;  // what cleaning keeps is appended to it; linked
        // What is known of the oldest segment's worth.
        std::uint64_t judged_sequence = 0;  // of the segment it was found for
        std::uint32_t judged_at = 0;        // on the clock
        double hits = 0;
    };
    struct ActiveCut {
        std::shared_ptr<CutState> state;
        std::vector<std::shared_ptr<std::atomic<PinnedSegment::Claim>>> claims;
        std::vector<std::uint32_t> segments;
    };
    /// Segments with less than this share of live items are cleaned before anything is evicted.
    /// Measured with half of all requests sets of changing sizes over a full cache: 86 % of the
    /// memory is live at 1.1 bytes copied per byte stored; 50 would give 63 % at 0.4.
    static constexpr std::uint64_t kCleanBelowPercent = 82;

    /// What a reclaim keeps: everything live, or what was hit at least so often.
    enum class Retain : std::uint8_t { All = 0, HitOnce = 1, HitTwice = 2, HitOften = 3, None = 4 };

    /// A segment on its way out. Between two steps of it anything else may happen: its items are
    /// found, replaced, pinned as those of any other.
    struct Emptying {
        std::uint32_t segment = kNoSegment;
        std::uint32_t offset = 0;  // nothing of what is in front of this is in the index any more
        Retain retain = Retain::All;
        bool kept_whole = false;         // a large item that stays
        std::uint64_t copied_bytes = 0;  // of what stays
    };

    Segment& meta(std::uint32_t segment) const noexcept { return pool_.segment(segment); }
    Queue& queue(QueueId id) noexcept { return queues_[id.number]; }
    char* address(Place place) const noexcept { return pool_.data(place.segment) + place.offset; }
    std::uint64_t location(Place place) const noexcept {
        return static_cast<std::uint64_t>(address(place) - pool_.base());
    }
    Place place_of(std::uint64_t location) const noexcept;
    std::uint64_t derived_cas(Place place) const noexcept {
        return meta(place.segment).sequence << 24 | place.offset / kItemAlign;
    }
    ItemView view_at(Place place) const noexcept {
        return decode_item(address(place), derived_cas(place));
    }
    SlotRef slot_of(const HashedKey& key) noexcept;
    Handle handle_for(SlotRef slot, std::uint32_t now) const noexcept;
    void fill_handle(Handle& handle, SlotRef slot, std::uint32_t now) const noexcept;
    static ItemAccess access_of(const ItemView& item, std::uint64_t slot,
                                std::uint32_t now) noexcept {
        return {.last_access = now - stamp_age(Slot::stamp(slot), now),
                .fetched = Slot::frequency(slot) != 0 || item.header.has(ItemHeader::kHit),
                .frequency = static_cast<std::uint8_t>(Slot::frequency(slot))};
    }
    std::uint64_t hash_at(std::uint64_t location) const noexcept;
    void erase_found(SlotRef slot) noexcept;
    bool flushed(const Segment& segment) const noexcept {
        return segment.sequence < flush_sequence_;
    }

    // shard.cc: one item
    bool can_overwrite(const NewItem& item, const Handle& existing,
                       std::uint32_t bytes) const noexcept;
    void overwrite(const NewItem& item, const Handle& existing, std::uint32_t word,
                   std::uint32_t bytes, std::uint32_t now) noexcept;
    std::expected<Handle, StoreError> append(const NewItem& item, const Handle* existing,
                                             std::uint32_t now) noexcept;
    Handle link(std::uint64_t hash, const Handle* existing, Place place,
                std::uint32_t now) noexcept;
    ItemHeader current_header(const Handle& handle) const noexcept;
    std::uint32_t index_pages_wanted() const noexcept;
    std::uint64_t share_bytes() const noexcept { return pool_.budget() / sharers_; }
    std::expected<Handle, StoreError> rewrite(const Handle& handle, std::uint32_t exptime,
                                              std::uint32_t bits, std::uint64_t cas,
                                              std::uint32_t now) noexcept;
    bool make_index_room(std::uint32_t now) noexcept;
    bool resize_index_step(std::uint32_t now) noexcept;
    void kill(Place place, std::uint32_t bytes) noexcept;

    // shard_space.cc: segments and queues
    std::expected<Place, StoreError> allocate(std::uint32_t bytes, QueueId queue,
                                              std::uint32_t protect, std::uint32_t now) noexcept;
    std::expected<Place, StoreError> allocate_jumbo(std::uint32_t bytes, std::uint32_t protect,
                                                    std::uint32_t now) noexcept;
    bool fits(std::uint32_t segment, std::uint32_t bytes) const noexcept;
    bool give_up_ready() noexcept;
    std::uint32_t any_open_with_room(std::uint32_t bytes) const noexcept;
    Place append_to(std::uint32_t segment, std::uint32_t bytes) noexcept;
    void open_segment(std::uint32_t segment, QueueId queue) noexcept;
    void start_segment(std::uint32_t segment, QueueId queue) noexcept;
    void seal(Queue& queue) noexcept;
    void seal_cleaned(Queue& queue) noexcept;
    void seal_any(std::uint32_t segment) noexcept;
    void hold(std::uint32_t segment) noexcept;
    void push_young(std::uint32_t segment, QueueId queue) noexcept;
    void link_behind(std::uint32_t segment, std::uint32_t older, Queue& queue) noexcept;
    void unlink_segment(std::uint32_t segment) noexcept;
    void free_segment(std::uint32_t segment) noexcept;
    void retire(std::uint32_t segment) noexcept;
    std::uint64_t lent_bytes_max() const noexcept;
    void segment_emptied(std::uint32_t segment) noexcept;
    std::uint64_t segment_memory(const Segment& segment) const noexcept;
    std::uint64_t memory_held() const noexcept;
    /// Whether `bytes` may be had over a limit that was lowered: only for what was given up since.
    SegmentPool::Exceed exceed(std::uint64_t held_before, std::uint64_t bytes) const noexcept;
    template <typename Visitor>
    void sample(std::uint32_t segment, Visitor&& visit) const noexcept;
    std::uint32_t clock() const noexcept {
        return static_cast<std::uint32_t>(appended_bytes_ / kClockBytes);
    }
    QueueId new_queue(const NewItem& item, std::uint32_t bytes, const Handle* existing) noexcept;

    // shard_evict.cc: eviction and cleaning
    bool make_room(std::uint32_t protect, std::uint32_t now) noexcept;
    std::uint32_t dead_weight(std::uint32_t protect, std::uint32_t now) noexcept;
    std::uint32_t victim(std::uint32_t protect, std::uint32_t now) noexcept;
    std::uint32_t lowest_tail(std::uint32_t protect, std::uint32_t now) noexcept;
    std::uint32_t lowest_of(std::span<Queue> queues, std::uint32_t protect,
                            std::uint32_t now) noexcept;
    std::uint32_t tail(const Queue& queue, std::uint32_t protect) const noexcept;
    double score(Queue& queue, std::uint32_t segment, std::uint32_t now) noexcept;
    double estimate_hits(std::uint32_t segment, std::uint32_t now) noexcept;
    void seal_stale() noexcept;
    Emptying next_to_empty(std::uint32_t protect, std::uint32_t now) noexcept;
    void begin_emptying(Emptying emptying) noexcept;
    void empty(Emptying& emptying, std::uint64_t effort, std::uint32_t now) noexcept;
    void settle(Emptying& emptying, std::uint32_t offset, std::uint64_t hash,
                std::uint32_t now) noexcept;
    bool emptied(const Emptying& emptying) const noexcept {
        return emptying.offset == meta(emptying.segment).fill;
    }
    bool retire_emptied(Emptying& emptying) noexcept;
    bool empty_ahead(std::uint64_t effort, std::uint32_t protect, std::uint32_t now) noexcept;
    bool wants_room_ahead() noexcept;
    bool room_is_near(std::uint32_t now) noexcept;
    void tell_evicted(const ItemView& item, std::uint64_t slot, std::uint32_t now) const noexcept {
        if (observer_ != nullptr) [[unlikely]]
            observer_->evicted({item, access_of(item, slot, now), now});
    }
    void drop_from(std::uint32_t segment, const ItemView& item, std::uint64_t hash, SlotRef slot,
                   std::uint32_t now) noexcept;
    void leave(std::uint32_t segment, std::uint32_t bytes) noexcept {
        meta(segment).live_bytes -= bytes;
        --meta(segment).live_items;
    }
    bool relocate(std::uint32_t from, const ItemView& item, SlotRef slot, Retain retain,
                  std::uint32_t now) noexcept;
    std::uint32_t survivors_segment(std::uint32_t from, Retain retain,
                                    std::uint32_t bytes) noexcept;

    // shard_expiry.cc: memory of expired items
    void note_exptime(std::uint32_t segment, std::uint32_t exptime, std::uint32_t now) noexcept {
        meta(segment).note_exptime(exptime, now);
        if (exptime != 0) expiry_due_ = std::min(expiry_due_, exptime);
    }
    std::uint32_t expired_segment(std::size_t looks, std::uint32_t protect,
                                  std::uint32_t now) noexcept;
    bool has_expired(std::uint32_t segment, std::uint32_t protect, std::uint32_t now) noexcept;
    bool is_expired_garbage(std::uint32_t segment, std::uint32_t now) noexcept;

    // shard_cut.cc: flush, pins, cuts, housekeeping
    void check_flush(std::uint32_t now) noexcept {
        if (flush_at_ != 0 && now >= flush_at_) [[unlikely]]
            flush_now();
    }
    void flush_now() noexcept;
    std::uint32_t flushed_segment() noexcept;
    bool unused(std::uint64_t slot, std::uint32_t now) const noexcept {
        return now - stamp_age(Slot::stamp(slot), now) < unused_before_;
    }
    void drop_unused(std::uint32_t now) noexcept;
    bool has_flushed_segments() const noexcept;
    void drop_scan_pin(std::uint32_t segment) noexcept;
    void unpinned(std::uint32_t segment) noexcept;
    void mark_unmarked(std::uint32_t segment) noexcept;
    void pin_for(ActiveCut& active, ShardCut& cut, std::uint32_t segment);
    std::vector<std::uint32_t> dead_without_a_mark(std::uint32_t segment) const;
    void fail_cuts() noexcept;
    void sweep_stamps(std::uint32_t now) noexcept;
    bool keep_lowered_limit(std::uint32_t now) noexcept;
    bool shrink_index() noexcept;
    bool keep_emptying(std::uint32_t now) noexcept;

    const std::uint32_t id_;
    const ShardConfig config_;
    SegmentPool& pool_;
    const std::uint64_t sharers_;  // shards that the pool's memory is meant for
    Index index_;
    static constexpr std::uint64_t kClockBytes = 4096;

    GhostFilter ghost_;
    Queue queues_[kQueues];
    std::uint64_t appended_bytes_ = 0;  // ever, by new items: the clock that ages are measured on
    std::uint32_t spare_ = kNoSegment;  // what a reclaim copies survivors into
    std::uint32_t ready_ = kNoSegment;  // emptied ahead of need: the next one to be opened
    std::uint64_t small_bytes_ = 0;     // memory of the segments linked in small queues
    std::vector<std::uint32_t> held_;   // all segments of this shard but these two
    Emptying emptying_;                 // goes on with every append and in housekeeping
    std::uint32_t fruitless_ = 0;       // reclaims in a row that won nothing
    std::uint64_t search_at_ = 0;       // on appended_bytes_: no room was found, look again then
    bool index_starved_ = false;        // its growth waits for memory
    std::uint32_t held_cursor_ = 0;     // dead_weight goes round
    std::size_t expiry_cursor_ = 0;     // the search for expired items goes round, too
    std::uint32_t expiry_due_ = kNeverExpires;   // no segment needs to be looked at before
    std::uint32_t expiry_next_ = kNeverExpires;  // the same, of those seen in this round
    std::uint32_t expiry_searched_at_ = 0;       // unix seconds
    std::uint64_t flush_sequence_ = 0;  // segments with a smaller sequence hold nothing any more
    bool flushing_ = false;             // there may be items that were flushed and are still there
    std::uint32_t flush_at_ = 0;        // pending flush_all, unix seconds
    std::uint32_t unused_before_ = 0;   // flush_unused, until all are gone: unix seconds
    std::uint32_t unused_page_ = 0;     // how far that is in the index
    std::uint64_t detached_bytes_ = 0;  // out of the cache, still pinned
    std::uint64_t lent_bytes_ = 0;      // of those, not charged to the pool
    std::vector<ActiveCut> cuts_;
    std::uint32_t stamp_page_ = 0;
    std::uint32_t stamp_sweep_at_ = 0;
    std::unique_ptr<SizeHistogram> sizes_;  // nullptr: nobody wants to know
    EvictionObserver* observer_ = nullptr;
    mutable ShardStats stats_;
};

/// Calls `visit(location, item)` for up to 256 items that are not marked dead, in sixteen runs
/// spread over the segment.
template <typename Visitor>
void Shard::sample(std::uint32_t id, Visitor&& visit) const noexcept {
    constexpr std::uint32_t kRuns = 16;
    constexpr std::uint32_t kRunItems = 16;
    const Segment& segment = meta(id);
    const std::uint32_t blocks = segment.jumbo ? 1 : (segment.fill - 1) / kRestartBlock + 1;
    const auto* restart = reinterpret_cast<const std::uint16_t*>(pool_.data(id) + segment.capacity);
    for (std::uint32_t run = 0; run < std::min(kRuns, blocks); ++run) {
        const std::uint32_t block = run * blocks / std::min(kRuns, blocks);
        if (!segment.jumbo && restart[block] == kNoStart) continue;
        std::uint32_t offset =
            segment.jumbo ? 0 : block * kRestartBlock + restart[block] * kItemAlign;
        for (std::uint32_t i = 0; i < kRunItems && offset < segment.fill; ++i) {
            const ItemView item = view_at({id, offset});
            if (!item.header.has(ItemHeader::kDead)) visit(location({id, offset}), item);
            offset += item.bytes;
        }
    }
}

}  // namespace shardmill::store

#include "store/shard_find.h"
