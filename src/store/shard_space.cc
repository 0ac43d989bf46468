// Segments and queues: where the space for an item comes from.

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "store/shard.h"

namespace shardmill::store {
namespace {

constexpr std::uint32_t kJumboPart = 4;  // items over a quarter of a segment get one of their own
constexpr std::uint32_t kReclaimsMax = 64;  // per request for space
constexpr std::uint64_t kLentShare = 16;  // a scan may hold a sixteenth of the shard over the limit

}  // namespace

std::uint64_t Shard::segment_memory(const Segment& segment) const noexcept {
    return segment.jumbo ? segment.capacity : pool_.segment_bytes();
}

std::uint64_t Shard::memory_held() const noexcept {
    const std::uint64_t apart = (spare_ != kNoSegment) + (ready_ != kNoSegment);
    return stats_.segment_bytes + apart * pool_.segment_bytes();
}

SegmentPool::Exceed Shard::exceed(std::uint64_t held_before, std::uint64_t bytes) const noexcept {
    const bool paid = pool_.over_limit() && memory_held() + bytes <= held_before;
    return paid ? SegmentPool::Exceed::InExchange : SegmentPool::Exceed::No;
}

bool Shard::fits(std::uint32_t id, std::uint32_t bytes) const noexcept {
    return id != kNoSegment && meta(id).fill + bytes <= meta(id).capacity;
}

std::expected<Shard::Place, StoreError> Shard::allocate(std::uint32_t bytes, QueueId queue_id,
                                                        std::uint32_t protect,
                                                        std::uint32_t now) noexcept {
    if (bytes > usable_bytes(pool_.segment_bytes()) / kJumboPart) {
        const auto place = allocate_jumbo(bytes, protect, now);
        if (place) {
            Segment& segment = meta(place->segment);
            segment.fill = bytes;
            appended_bytes_ += bytes;
            segment.state = SegmentState::Sealed;
            push_young(place->segment, queue_id);
        }
        return place;
    }
    const std::uint64_t held_before = memory_held();
    for (std::uint32_t attempt = 0; !fits(queue(queue_id).open, bytes); ++attempt) {
        if (spare_ == kNoSegment) spare_ = pool_.acquire().value_or(kNoSegment);
        if (ready_ != kNoSegment) {
            open_segment(std::exchange(ready_, kNoSegment), queue_id);
        } else if (const auto segment = pool_.acquire(exceed(held_before, pool_.segment_bytes()))) {
            open_segment(*segment, queue_id);
        } else if (const std::uint32_t other = any_open_with_room(bytes);
                   protect == kNoSegment && other != kNoSegment && !room_is_near(now)) {
            // Two lanes are full at the same time: rather a few items in the wrong one than all the
            // work at once. (Not a new version: its CAS could get smaller.)
            appended_bytes_ += bytes;
            return append_to(other, bytes);
        } else if (attempt == kReclaimsMax || !make_room(protect, now)) {
            return std::unexpected(StoreError::NoMemory);
        }
    }
    appended_bytes_ += bytes;
    return append_to(queue(queue_id).open, bytes);
}

std::expected<Shard::Place, StoreError> Shard::allocate_jumbo(std::uint32_t bytes,
                                                              std::uint32_t protect,
                                                              std::uint32_t now) noexcept {
    const std::uint64_t segments = bytes / pool_.segment_bytes() + 1;
    const std::uint64_t held_before = memory_held();
    for (std::uint64_t attempt = 0;; ++attempt) {
        if (const auto first = pool_.acquire_run(bytes, exceed(held_before, bytes))) {
            Segment& segment = meta(*first);
            segment.jumbo = true;
            segment.capacity = (bytes + 4095u) & ~4095u;
            segment.sequence = pool_.next_sequence();
            hold(*first);
            return Place{*first, 0};
        }
        if (give_up_ready()) continue;
        if (attempt == kReclaimsMax + 4 * segments || !make_room(protect, now))
            return std::unexpected(StoreError::NoMemory);
    }
}

/// What was put by for the next segment is needed for something else. False: there is nothing.
bool Shard::give_up_ready() noexcept {
    if (ready_ == kNoSegment) return false;
    pool_.release(std::exchange(ready_, kNoSegment));
    return true;
}

std::uint32_t Shard::any_open_with_room(std::uint32_t bytes) const noexcept {
    for (const Queue& any : queues_) {
        if (fits(any.open, bytes)) return any.open;
    }
    return kNoSegment;
}

Shard::Place Shard::append_to(std::uint32_t id, std::uint32_t bytes) noexcept {
    Segment& segment = meta(id);
    const Place place{id, segment.fill};
    segment.fill += bytes;
    auto* restart = reinterpret_cast<std::uint16_t*>(pool_.data(place.segment) + segment.capacity);
    std::uint16_t& first = restart[place.offset / kRestartBlock];
    if (first == kNoStart)
        first = static_cast<std::uint16_t>(place.offset % kRestartBlock / kItemAlign);
    return place;
}

void Shard::start_segment(std::uint32_t id, QueueId queue_id) noexcept {
    Segment& segment = meta(id);
    segment.sequence = pool_.next_sequence();
    segment.capacity = usable_bytes(pool_.segment_bytes());
    segment.state = SegmentState::Open;
    segment.queue = queue_id;
    segment.birth = clock();
    std::memset(pool_.data(id) + segment.capacity, 0xff, pool_.segment_bytes() - segment.capacity);
    hold(id);
}

void Shard::open_segment(std::uint32_t id, QueueId queue_id) noexcept {
    seal(queue(queue_id));
    start_segment(id, queue_id);
    queue(queue_id).open = id;
}

void Shard::seal(Queue& target) noexcept {
    if (target.open == kNoSegment) return;
    const std::uint32_t id = std::exchange(target.open, kNoSegment);
    meta(id).state = SegmentState::Sealed;
    push_young(id, meta(id).queue);
    if (meta(id).live_items == 0) segment_emptied(id);
}

void Shard::seal_cleaned(Queue& target) noexcept {
    if (target.cleaned == kNoSegment) return;
    const std::uint32_t id = std::exchange(target.cleaned, kNoSegment);
    meta(id).state = SegmentState::Sealed;
    if (meta(id).live_items == 0) segment_emptied(id);
}

/// The open segment that it is, whichever.
void Shard::seal_any(std::uint32_t id) noexcept {
    Queue& target = queue(meta(id).queue);
    target.open == id ? seal(target) : seal_cleaned(target);
}

void Shard::hold(std::uint32_t id) noexcept {
    meta(id).held_at = static_cast<std::uint32_t>(held_.size());
    held_.push_back(id);
    stats_.segment_bytes += segment_memory(meta(id));
}

void Shard::push_young(std::uint32_t id, QueueId queue_id) noexcept {
    Segment& segment = meta(id);
    segment.queue = queue_id;
    segment.birth = clock();
    link_behind(id, queue(queue_id).youngest, queue(queue_id));
}

/// `older` is the neighbour that goes before it; none: the new one is the oldest.
void Shard::link_behind(std::uint32_t id, std::uint32_t older, Queue& target) noexcept {
    Segment& segment = meta(id);
    segment.older = older;
    std::uint32_t& next = older != kNoSegment ? meta(older).younger : target.oldest;
    segment.younger = std::exchange(next, id);
    (segment.younger != kNoSegment ? meta(segment.younger).older : target.youngest) = id;
    if (segment.queue.kind() == QueueKind::Small) small_bytes_ += segment_memory(segment);
}

void Shard::unlink_segment(std::uint32_t id) noexcept {
    Segment& segment = meta(id);
    Queue& from = queue(segment.queue);
    if (segment.queue.kind() == QueueKind::Small) small_bytes_ -= segment_memory(segment);
    (segment.older != kNoSegment ? meta(segment.older).younger : from.oldest) = segment.younger;
    (segment.younger != kNoSegment ? meta(segment.younger).older : from.youngest) = segment.older;
    segment.older = segment.younger = kNoSegment;
}

void Shard::free_segment(std::uint32_t id) noexcept {
    Segment& segment = meta(id);
    stats_.segment_bytes -= segment_memory(segment);
    held_[segment.held_at] = held_.back();
    const Segment& moved = meta(held_.back());
    meta(held_.back()).held_at = segment.held_at;
    // The search for expired items may have passed its new place without having seen it.
    if (moved.expiring) {
        expiry_next_ =
            std::min(expiry_next_, ExpiryTime::when(moved.expiry_look, expiry_searched_at_));
    }
    held_.pop_back();
    if (segment.jumbo) {
        pool_.release_run(id, segment.capacity);
        return;
    }
    std::uint32_t* place = spare_ == kNoSegment ? &spare_ : &ready_;
    if (*place == kNoSegment && segment.charged && !index_starved_) {
        segment.~Segment();
        new (&segment) Segment{};
        *place = id;
    } else {
        pool_.release(id);
    }
}

void Shard::retire(std::uint32_t id) noexcept {
    Segment& segment = meta(id);
    segment.state = SegmentState::Reclaiming;  // Ours alone until its fate is settled.
    const std::uint64_t bytes = segment_memory(segment);
    if (segment.scan_pins != 0 && lent_bytes_ + bytes > lent_bytes_max()) fail_cuts();
    if (!segment.pinned()) {
        free_segment(id);
        return;
    }
    segment.state = SegmentState::Detached;
    detached_bytes_ += bytes;
    if (lent_bytes_ + bytes <= lent_bytes_max()) {
        // The pinned bytes are lent: the shard can have their memory back elsewhere at once.
        segment.charged = false;
        lent_bytes_ += bytes;
        pool_.uncharge(bytes);
    }
}

std::uint64_t Shard::lent_bytes_max() const noexcept {
    return std::max<std::uint64_t>(share_bytes() / kLentShare, 4ull * pool_.segment_bytes());
}

void Shard::segment_emptied(std::uint32_t id) noexcept {
    if (meta(id).state != SegmentState::Sealed) return;
    unlink_segment(id);
    retire(id);
}

}  // namespace shardmill::store
