// Flushes, pins, cuts and housekeeping: everything that looks at whole segments.

#include <algorithm>
#include <new>
#include <utility>

#include "store/shard.h"

namespace shardmill::store {
namespace {

constexpr std::uint64_t kGhostShare = 32;  // what evicted keys may keep of a limit that was lowered
constexpr std::uint32_t kHousekeepingLooks = 16;          // segments looked at per call
constexpr std::uint64_t kHousekeepingEffort = 256 << 10;  // per call, see Shard::empty

}  // namespace

void Shard::flush_all(std::uint32_t when, std::uint32_t now) noexcept {
    flush_at_ = 0;
    if (when <= now) {
        flush_now();
    } else {
        flush_at_ = when;
    }
}

void Shard::flush_now() noexcept {
    flush_at_ = 0;
    for (Queue& target : queues_) {
        seal(target);
        seal_cleaned(target);
    }
    flush_sequence_ = pool_.next_sequence();
    flushing_ = true;
}

void Shard::flush_unused(std::uint32_t before) noexcept {
    flush_at_ = 0;
    unused_before_ = before;
    unused_page_ = 0;
    flushing_ = true;
}

/// Drops what is unused in the next page of the index.
void Shard::drop_unused(std::uint32_t now) noexcept {
    index_.visit_page(unused_page_, [&](SlotRef slot) noexcept {
        if (unused(*slot, now)) erase(handle_for(slot, now));
    });
    if (unused_page_++ == index_.pages()) unused_before_ = 0;
}

void Shard::pin(std::uint32_t segment) noexcept { ++meta(segment).read_pins; }

void Shard::unpin(std::uint32_t segment) noexcept {
    SHARDMILL_ASSERT(meta(segment).read_pins != 0);
    --meta(segment).read_pins;
    unpinned(segment);
}

void Shard::drop_scan_pin(std::uint32_t segment) noexcept {
    SHARDMILL_ASSERT(meta(segment).scan_pins != 0);
    if (--meta(segment).scan_pins == 0) mark_unmarked(segment);
    unpinned(segment);
}

void Shard::mark_unmarked(std::uint32_t id) noexcept {
    const auto unmarked = std::move(meta(id).unmarked_dead);
    if (!unmarked) return;
    for (const std::uint32_t offset : *unmarked) {
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(address({id, offset})))
            .fetch_or(ItemHeader::kDead, std::memory_order_relaxed);
    }
}

void Shard::unpinned(std::uint32_t id) noexcept {
    Segment& segment = meta(id);
    if (segment.pinned() || segment.state != SegmentState::Detached) return;
    const std::uint64_t bytes = segment_memory(segment);
    detached_bytes_ -= bytes;
    if (!segment.charged) lent_bytes_ -= bytes;
    free_segment(id);
}

/// Offsets, ascending, of what looks alive in the log and is not.
std::vector<std::uint32_t> Shard::dead_without_a_mark(std::uint32_t id) const {
    std::vector<std::uint32_t> dead;
    const std::uint32_t left = emptying_.segment == id ? emptying_.offset : 0;
    for (std::uint32_t offset = 0; offset < left;) {
        const ItemView item = view_at({id, offset});
        if (!item.header.has(ItemHeader::kDead)) dead.push_back(offset);
        offset += item.bytes;
    }
    if (const auto& unmarked = meta(id).unmarked_dead) {
        const auto first = dead.insert(dead.end(), unmarked->begin(), unmarked->end());
        const auto behind =
            std::remove_if(first, dead.end(), [left](std::uint32_t at) { return at < left; });
        dead.erase(behind, dead.end());
        std::sort(dead.begin(), dead.end());
    }
    return dead;
}

void Shard::pin_for(ActiveCut& active, ShardCut& cut, std::uint32_t id) {
    Segment& segment = meta(id);
    if (segment.live_items == 0 || flushed(segment)) return;
    using Claim = PinnedSegment::Claim;
    PinnedSegment pinned{.shard = id_,
                         .segment = id,
                         .bytes = segment.fill,
                         .data = pool_.data(id),
                         .sequence = segment.sequence,
                         .dead = dead_without_a_mark(id),
                         .claim_word = std::make_shared<std::atomic<Claim>>(Claim::Pinned)};
    cut.items += segment.live_items;
    cut.bytes += segment.live_bytes;
    active.claims.push_back(pinned.claim_word);
    active.segments.push_back(id);
    cut.segments.push_back(std::move(pinned));
    ++segment.scan_pins;
}

ShardCut Shard::take_cut(std::uint32_t now, std::shared_ptr<CutState> state) {
    check_flush(now);
    std::erase_if(cuts_, [](const ActiveCut& active) { return active.state.use_count() == 1; });
    ShardCut cut{.shard = id_, .now = now, .items = 0, .bytes = 0, .segments = {}, .state = state};
    ActiveCut active{.state = std::move(state), .claims = {}, .segments = {}};
    cuts_.reserve(cuts_.size() + 1);
    active.claims.reserve(held_.size());
    active.segments.reserve(held_.size());
    cut.segments.reserve(held_.size());
    try {
        // All of small comes before all of main.
        for (const Queue& from : queues_) {
            for (std::uint32_t id = from.oldest; id != kNoSegment; id = meta(id).younger) {
                pin_for(active, cut, id);
            }
        }
        for (const Queue& from : queues_) {
            if (from.open != kNoSegment) pin_for(active, cut, from.open);
        }
    } catch (const std::bad_alloc&) {
        for (const std::uint32_t id : active.segments) drop_scan_pin(id);
        throw;
    }
    cuts_.push_back(std::move(active));
    return cut;
}

void Shard::release_cut(const PinnedSegment& segment) noexcept {
    using Claim = PinnedSegment::Claim;
    const Claim before = segment.claim_word->exchange(Claim::Released, std::memory_order_acq_rel);
    if (before == Claim::Pinned || before == Claim::Reading) drop_scan_pin(segment.segment);
}

void Shard::fail_cuts() noexcept {
    using Claim = PinnedSegment::Claim;
    // Moved aside: letting go of a segment can bring us back here.
    std::vector<ActiveCut> cuts = std::move(cuts_);
    cuts_.clear();
    for (const ActiveCut& active : cuts) {
        active.state->failed.store(true, std::memory_order_release);
        for (std::size_t i = 0; i < active.segments.size(); ++i) {
            Claim expected = Claim::Pinned;
            if (active.claims[i]->compare_exchange_strong(expected, Claim::TakenBack,
                                                          std::memory_order_acq_rel)) {
                drop_scan_pin(active.segments[i]);
            }
        }
    }
}

void Shard::sweep_stamps(std::uint32_t now) noexcept {
    if (index_.resizing()) return;
    if (stamp_page_ >= index_.pages()) {
        if (now < stamp_sweep_at_) return;
        stamp_page_ = 0;
        stamp_sweep_at_ = now + kStampRefreshSeconds;
    }
    index_.refresh_stamps(stamp_page_++, now);
}

std::uint32_t Shard::flushed_segment() noexcept {
    for (const std::uint32_t id : held_) {
        const Segment& segment = meta(id);
        if (segment.state == SegmentState::Sealed && segment.read_pins == 0 && flushed(segment))
            return id;
    }
    return kNoSegment;
}

bool Shard::has_flushed_segments() const noexcept {
    return std::ranges::any_of(held_, [this](std::uint32_t id) {
        const SegmentState state = meta(id).state;
        return (state == SegmentState::Sealed || state == SegmentState::Reclaiming) &&
               flushed(meta(id));
    });
}

/// A step towards a limit that was lowered below what is in use: what is larger than it needs to be
/// gets smaller, else a segment is reclaimed. Not below the shard's share: housekeeping may come by
/// here more often than elsewhere, and nobody would give back what others have not given up. False:
/// nothing left to give.
bool Shard::keep_lowered_limit(std::uint32_t now) noexcept {
    if (index_.resizing() && resize_index_step(now)) return true;
    if (index_.wants_shrinking() && shrink_index()) return true;  // Housekeeping goes on with it.
    if (ghost_.oversized(index_.count()) && ghost_.bytes() > share_bytes() / kGhostShare) {
        ghost_.forget();
        return true;
    }
    if (memory_held() + index_.bytes() + ghost_.bytes() <= share_bytes()) return false;
    if (emptying_.segment == kNoSegment) {
        const Emptying next = next_to_empty(kNoSegment, now);
        if (next.segment == kNoSegment) return give_up_ready();
        begin_emptying(next);
    }
    return empty_ahead(kHousekeepingEffort, kNoSegment, now);
}

/// Not while a flush of what is unused goes up the pages: what is left crowds in the upper ones.
bool Shard::shrink_index() noexcept { return unused_before_ == 0 && index_.start_shrinking(); }

void Shard::make_list_room(std::vector<std::uint32_t>& room) noexcept {
    if (room.capacity() <= held_.capacity()) return;
    room.assign(held_.begin(), held_.end());
    held_.swap(room);
}

/// Segments that hold nothing of use any more, or too little; then room for what is stored next.
bool Shard::keep_emptying(std::uint32_t now) noexcept {
    if (emptying_.segment == kNoSegment) {
        std::uint32_t found = flushing_ ? flushed_segment() : kNoSegment;
        if (found == kNoSegment) found = expired_segment(kHousekeepingLooks, kNoSegment, now);
        if (found != kNoSegment) begin_emptying({.segment = found, .retain = Retain::All});
    }
    return empty_ahead(kHousekeepingEffort, kNoSegment, now);
}

bool Shard::housekeep(std::uint32_t now) noexcept {
    check_flush(now);
    if (pool_.over_limit() && keep_lowered_limit(now)) return true;
    sweep_stamps(now);
    const bool emptying = keep_emptying(now);
    if (!emptying && flushing_) {
        if (unused_before_ != 0 && !index_.resizing()) drop_unused(now);
        flushing_ = unused_before_ != 0 || has_flushed_segments();
    }
    if (index_.wants_shrinking()) shrink_index();
    if (index_.resizing()) resize_index_step(now);
    // What was flushed and is pinned can wait: it is out of everybody's sight.
    return emptying || unused_before_ != 0 || index_.resizing();
}

ShardStats Shard::stats() const noexcept {
    stats_.items = index_.count();
    stats_.segments = held_.size();
    stats_.pinned_bytes = detached_bytes_;
    stats_.index_bytes = index_.bytes();
    stats_.index_slots = index_.slots();
    stats_.index_growing = index_.resizing();
    stats_.ghost_bytes = ghost_.bytes();
    return stats_;
}

void Shard::reset_stats() noexcept {
    const ShardStats kept = stats();
    stats_ = ShardStats{};
    stats_.item_bytes = kept.item_bytes;
    stats_.segment_bytes = kept.segment_bytes;
}

}  // namespace shardmill::store
