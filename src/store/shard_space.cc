// Segments, queues and eviction: where the space for an item comes from.

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/hash.h"
#include "store/shard.h"

namespace shardmill::store {
namespace {

constexpr std::uint32_t kJumboPart = 4;  // items over a quarter of a segment get one of their own
constexpr std::uint64_t kSmallShare =
    10;  // the small queue gives way when above a tenth of the memory
constexpr std::uint32_t kDeadWeightLooks = 64;  // segments looked at per search for garbage
constexpr std::uint32_t kReclaimBatch = 16;     // index look-ups in flight
constexpr std::uint32_t kReclaimsMax = 64;      // per request for space
constexpr std::uint64_t kLentShare = 16;  // a scan may hold a sixteenth of the shard over the limit

}  // namespace

std::uint64_t Shard::segment_memory(const Segment& segment) const noexcept {
    return segment.jumbo ? segment.capacity : pool_.segment_bytes();
}

bool Shard::fits_open(const Queue& queue, std::uint32_t bytes) const noexcept {
    return queue.open != kNoSegment && meta(queue.open).fill + bytes <= meta(queue.open).capacity;
}

std::expected<Shard::Place, StoreError> Shard::allocate(std::uint32_t bytes, QueueId queue_id,
                                                        std::uint32_t protect,
                                                        std::uint32_t now) noexcept {
    if (bytes > usable_bytes(pool_.segment_bytes()) / kJumboPart) {
        const auto place = allocate_jumbo(bytes, protect, now);
        if (place) {
            Segment& segment = meta(place->segment);
            segment.fill = bytes;
            segment.state = SegmentState::Sealed;
            push_young(place->segment, queue_id);
        }
        return place;
    }
    for (std::uint32_t attempt = 0; !fits_open(queue(queue_id), bytes); ++attempt) {
        if (spare_ == kNoSegment) spare_ = pool_.acquire().value_or(kNoSegment);
        if (const auto segment = pool_.acquire()) {
            open_segment(*segment, queue_id);
        } else if (attempt == kReclaimsMax || !make_room(protect, now)) {
            return std::unexpected(StoreError::NoMemory);
        }
    }
    return append_to(queue_id, bytes);
}

std::expected<Shard::Place, StoreError> Shard::allocate_jumbo(std::uint32_t bytes,
                                                              std::uint32_t protect,
                                                              std::uint32_t now) noexcept {
    const std::uint64_t segments = bytes / pool_.segment_bytes() + 1;
    for (std::uint64_t attempt = 0;; ++attempt) {
        if (const auto first = pool_.acquire_run(bytes)) {
            Segment& segment = meta(*first);
            segment.jumbo = true;
            segment.capacity = (bytes + 4095u) & ~4095u;
            segment.sequence = pool_.next_sequence();
            hold(*first);
            return Place{*first, 0};
        }
        if (attempt == kReclaimsMax + 4 * segments || !make_room(protect, now)) {
            return std::unexpected(StoreError::NoMemory);
        }
    }
}

Shard::Place Shard::append_to(QueueId queue_id, std::uint32_t bytes) noexcept {
    const Place place{queue(queue_id).open, meta(queue(queue_id).open).fill};
    Segment& segment = meta(place.segment);
    segment.fill += bytes;
    auto* restart = reinterpret_cast<std::uint16_t*>(pool_.data(place.segment) + segment.capacity);
    std::uint16_t& first = restart[place.offset / kRestartBlock];
    if (first == kNoStart)
        first = static_cast<std::uint16_t>(place.offset % kRestartBlock / kItemAlign);
    return place;
}

void Shard::open_segment(std::uint32_t id, QueueId queue_id) noexcept {
    seal(queue_id);
    Segment& segment = meta(id);
    segment.sequence = pool_.next_sequence();
    segment.capacity = usable_bytes(pool_.segment_bytes());
    segment.state = SegmentState::Open;
    segment.queue = queue_id;
    std::memset(pool_.data(id) + segment.capacity, 0xff, pool_.segment_bytes() - segment.capacity);
    hold(id);
    queue(queue_id).open = id;
}

void Shard::seal(QueueId queue_id) noexcept {
    Queue& target = queue(queue_id);
    if (target.open == kNoSegment) return;
    const std::uint32_t id = std::exchange(target.open, kNoSegment);
    meta(id).state = SegmentState::Sealed;
    push_young(id, queue_id);
    if (meta(id).live_items == 0) segment_emptied(id);
}

void Shard::hold(std::uint32_t id) noexcept {
    meta(id).held_at = static_cast<std::uint32_t>(held_.size());
    held_.push_back(id);
    stats_.segment_bytes += segment_memory(meta(id));
}

void Shard::push_young(std::uint32_t id, QueueId queue_id) noexcept {
    Queue& target = queue(queue_id);
    Segment& segment = meta(id);
    segment.queue = queue_id;
    segment.older = target.youngest;
    segment.younger = kNoSegment;
    (target.youngest != kNoSegment ? meta(target.youngest).younger : target.oldest) = id;
    target.youngest = id;
    target.bytes += segment_memory(segment);
}

void Shard::unlink_segment(std::uint32_t id) noexcept {
    Segment& segment = meta(id);
    Queue& from = queue(segment.queue);
    (segment.older != kNoSegment ? meta(segment.older).younger : from.oldest) = segment.younger;
    (segment.younger != kNoSegment ? meta(segment.younger).older : from.youngest) = segment.older;
    segment.older = segment.younger = kNoSegment;
    from.bytes -= segment_memory(segment);
}

void Shard::free_segment(std::uint32_t id) noexcept {
    Segment& segment = meta(id);
    stats_.segment_bytes -= segment_memory(segment);
    held_[segment.held_at] = held_.back();
    meta(held_.back()).held_at = segment.held_at;
    held_.pop_back();
    if (segment.jumbo) {
        pool_.release_run(id, segment.capacity);
    } else if (spare_ == kNoSegment && segment.charged) {
        segment.~Segment();
        new (&segment) Segment{};
        spare_ = id;
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
    return std::max<std::uint64_t>(config_.share_bytes / kLentShare, 4ull * pool_.segment_bytes());
}

void Shard::segment_emptied(std::uint32_t id) noexcept {
    if (meta(id).state != SegmentState::Sealed) return;
    unlink_segment(id);
    retire(id);
}

bool Shard::make_room(std::uint32_t protect, std::uint32_t now) noexcept {
    if (const std::uint32_t id = dead_weight(protect, now); id != kNoSegment) {
        reclaim(id, Retain::All, now);
        return true;
    }
    if (!config_.evict) return false;
    // What was hit is kept, but a shard where everything was hit must give something up in the end:
    // the more segments have been gone through for this one request, the more hits it takes.
    for (const Retain retain :
         {Retain::HitOnce, Retain::HitOnce, Retain::HitTwice, Retain::HitOften, Retain::None}) {
        const std::uint32_t id = victim(protect);
        if (id == kNoSegment) return false;
        if (reclaim(id, retain, now)) return true;
    }
    return true;
}

std::uint32_t Shard::dead_weight(std::uint32_t protect, std::uint32_t now) noexcept {
    const std::size_t looks =
        std::min<std::size_t>(held_.size(), config_.evict ? kDeadWeightLooks : held_.size());
    std::uint32_t best = kNoSegment;
    std::uint64_t best_percent = 50;
    for (std::size_t i = 0; i < looks; ++i) {
        if (++held_cursor_ >= held_.size()) held_cursor_ = 0;
        const std::uint32_t id = held_[held_cursor_];
        const Segment& segment = meta(id);
        if (segment.state != SegmentState::Sealed || segment.pinned() || id == protect) continue;
        if (flushed(segment) || segment.deadline <= now) return id;
        const std::uint64_t percent = std::uint64_t{segment.live_bytes} * 100 / segment.capacity;
        if (percent >= best_percent || segment.jumbo) continue;
        best = id;
        best_percent = percent;
    }
    return best;
}

std::uint32_t Shard::victim(std::uint32_t protect) noexcept {
    const Queue& small = queue(QueueId::Small);
    const Queue& main = queue(QueueId::Main);
    const bool small_first = small.bytes * kSmallShare > small.bytes + main.bytes;
    for (const Queue* from : {small_first ? &small : &main, small_first ? &main : &small}) {
        for (std::uint32_t id = from->oldest; id != kNoSegment; id = meta(id).younger) {
            if (id != protect && meta(id).read_pins == 0) return id;
        }
    }
    return kNoSegment;
}

void Shard::drop_from(std::uint32_t from, const ItemView& item, SlotRef slot,
                      std::uint32_t now) noexcept {
    const std::uint64_t word = *slot;
    const bool fetched = Slot::frequency(word) != 0 || item.header.has(ItemHeader::kHit);
    if (item.expired(now)) {
        ++stats_.crawler_reclaimed;
        stats_.expired_unfetched += !fetched;
    } else if (!flushed(meta(from))) {
        ++stats_.evictions;
        stats_.evicted_unfetched += !fetched;
        stats_.evicted_active += Slot::frequency(word) != 0;
    }
    index_.erase(slot);
    stats_.item_bytes -= item.bytes;
}

bool Shard::relocate(std::uint32_t from, const ItemView& item, SlotRef slot,
                     Retain retain) noexcept {
    // Cleaning keeps an item in its queue; having been hit takes it to main.
    const bool cleaning = retain == Retain::All;
    const QueueId to = cleaning ? meta(from).queue : QueueId::Main;
    std::uint32_t bits = item.header.word;
    std::uint32_t bytes = item.bytes;
    const bool add_cas =
        item.header.has(ItemHeader::kCasSeen) && !item.header.has(ItemHeader::kHasCas);
    if (add_cas) {
        bits |= ItemHeader::kHasCas;
        bytes += 8;
    }
    if (!fits_open(queue(to), bytes)) {
        if (spare_ == kNoSegment) spare_ = pool_.acquire().value_or(kNoSegment);
        if (spare_ == kNoSegment) return false;
        open_segment(std::exchange(spare_, kNoSegment), to);
    }
    const std::uint64_t word = *slot;
    std::uint64_t frequency = Slot::frequency(word);
    if (!cleaning) {
        frequency = meta(from).queue == QueueId::Small || frequency == 0 ? 0 : frequency - 1;
        bits |= ItemHeader::kHit;
    }
    const Place place = append_to(to, bytes);
    char* at = address(place);
    const char* source = item.key.data() - item.header.prefix_bytes();
    const std::uint32_t prefix = item.header.prefix_bytes();
    std::memcpy(at, &bits, 4);
    std::memcpy(at + 4, source + 4, prefix - 4);
    at += prefix;
    if (add_cas) {
        std::memcpy(at, &item.cas, 8);
        at += 8;
    }
    std::memcpy(at, item.key.data(), item.key.size() + item.value.size());
    Segment& target = meta(place.segment);
    target.live_bytes += bytes;
    ++target.live_items;
    target.deadline = item.exptime == 0 ? kNeverExpires : std::max(target.deadline, item.exptime);
    Index::store(slot, Slot::make(Slot::tag(word), frequency, Slot::stamp(word), location(place)));
    stats_.item_bytes += bytes - item.bytes;
    ++stats_.moved_items;
    stats_.moved_bytes += bytes;
    return true;
}

bool Shard::reclaim(std::uint32_t id, Retain retain, std::uint32_t now) noexcept {
    Segment& segment = meta(id);
    unlink_segment(id);
    segment.state = SegmentState::Reclaiming;  // Nothing may free it while it is walked.
    struct Candidate {
        std::uint32_t offset;
        std::uint64_t hash;
    };
    Candidate batch[kReclaimBatch];
    std::uint32_t batched = 0;
    bool kept_whole = false;
    const std::uint64_t moved = stats_.moved_bytes;
    const auto settle = [&](const Candidate& candidate) noexcept {
        const Place place{id, candidate.offset};
        SlotRef slot = index_.find_location(candidate.hash, location(place));
        if (slot == nullptr) return;  // Died while a scan held the segment.
        const ItemView item = view_at(place);
        const bool gone = item.expired(now) || flushed(segment);
        const bool keep = !gone && Slot::frequency(*slot) >= static_cast<std::uint64_t>(retain);
        if (keep && segment.jumbo) {
            kept_whole = true;
            const std::uint64_t frequency = Slot::frequency(*slot);
            Index::store(slot, Slot::make(Slot::tag(*slot), frequency == 0 ? 0 : frequency - 1,
                                          Slot::stamp(*slot), Slot::location(*slot)));
        } else if (!keep || !relocate(id, item, slot, retain)) {
            drop_from(id, item, slot, now);
        }
    };
    for (std::uint32_t offset = 0; offset < segment.fill;) {
        const ItemView item = view_at({id, offset});
        if (!item.header.has(ItemHeader::kDead)) {
            batch[batched] = {offset, base::hash_key(item.key)};
            index_.prefetch(batch[batched].hash);
            if (++batched == kReclaimBatch) {
                for (const Candidate& candidate : batch) settle(candidate);
                batched = 0;
            }
        }
        offset += item.bytes;
    }
    for (std::uint32_t i = 0; i < batched; ++i) settle(batch[i]);
    if (kept_whole) {
        segment.state = SegmentState::Sealed;
        push_young(id, retain == Retain::All ? segment.queue : QueueId::Main);
        return false;
    }
    const std::uint64_t regained =
        segment_memory(segment) - std::min(segment_memory(segment), stats_.moved_bytes - moved);
    const bool worth_it = regained * 8 >= segment_memory(segment);
    segment.live_items = 0;
    segment.live_bytes = 0;
    retire(id);
    return worth_it;
}

}  // namespace shardmill::store
