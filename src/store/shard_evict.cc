// Eviction and cleaning: which segment goes, and what of it stays.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/hash.h"
#include "store/shard.h"

namespace shardmill::store {
namespace {

constexpr std::uint32_t kDeadWeightLooks = 64;  // segments looked at per search for garbage
constexpr std::size_t kExpiryLooks = 256;       // the same for what has expired
constexpr std::uint32_t kReclaimBatch = 16;     // index look-ups in flight
constexpr std::uint64_t kBatchBytes = 16384;    // of items, in one batch
constexpr std::uint64_t kItemEffort = 512;      // an item's look-up takes as long as copying this
constexpr std::uint64_t kDeadEffort = 64;
constexpr std::uint64_t kNearEffort = 1 << 20;  // a quarter of a millisecond
constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
constexpr std::size_t kAheadSegmentsMin = 16;  // fewer: none is spared for what comes next

// What an item that was never hit counts for. Anything from 0.03 to 0.3 gives the same misses
// within a percent.
constexpr double kHitsPrior = 0.3;

}  // namespace

/// Which segment to empty, and what to keep of it. What was hit is kept, but a shard where
/// everything was hit must give something up in the end: the more segments in a row have won
/// nothing, the more hits it takes.
Shard::Emptying Shard::next_to_empty(std::uint32_t protect, std::uint32_t now) noexcept {
    if (const std::uint32_t id = dead_weight(protect, now); id != kNoSegment)
        return {.segment = id, .retain = Retain::All};
    if (!config_.evict) return {};
    constexpr Retain kRetain[] = {Retain::HitOnce, Retain::HitOnce, Retain::HitTwice,
                                  Retain::HitOften, Retain::None};
    return {.segment = victim(protect, now),
            .retain = kRetain[std::min<std::size_t>(fruitless_, std::size(kRetain) - 1)]};
}

/// True when making room at once is no great matter.
bool Shard::room_is_near(std::uint32_t now) noexcept {
    if (emptying_.segment == kNoSegment) {
        const Emptying next = next_to_empty(kNoSegment, now);
        if (next.segment == kNoSegment) return false;
        begin_emptying(next);
    }
    const Segment& segment = meta(emptying_.segment);
    return segment.live_items * kItemEffort + segment.live_bytes <= kNearEffort;
}

/// Makes room at once, whatever it takes. False: there is nothing to be had.
bool Shard::make_room(std::uint32_t protect, std::uint32_t now) noexcept {
    ++stats_.direct_reclaims;
    if (emptying_.segment != kNoSegment && emptying_.segment != protect) {
        empty(emptying_, kUnlimited, now);
        if (retire_emptied(emptying_)) return true;
    }
    for (;;) {
        Emptying whole = next_to_empty(protect, now);
        if (whole.segment == kNoSegment) return false;
        meta(whole.segment).state = SegmentState::Reclaiming;
        empty(whole, kUnlimited, now);
        if (retire_emptied(whole)) return true;
    }
}

/// True when the memory that will be needed next is not there yet.
bool Shard::wants_room_ahead() noexcept {
    if (index_starved_) return true;
    if (ready_ == kNoSegment) ready_ = pool_.acquire().value_or(kNoSegment);
    return ready_ == kNoSegment && held_.size() >= kAheadSegmentsMin;
}

/// A step of making room before it is needed. False: there is none to make, or no need.
bool Shard::empty_ahead(std::uint64_t effort, std::uint32_t protect, std::uint32_t now) noexcept {
    if (emptying_.segment == kNoSegment) {
        if (!wants_room_ahead() || appended_bytes_ < search_at_) return false;
        const Emptying next = next_to_empty(protect, now);
        if (next.segment == kNoSegment) {
            search_at_ = appended_bytes_ + pool_.segment_bytes() / 8;
            return false;
        }
        begin_emptying(next);
        return true;
    }
    if (emptying_.segment == protect) return false;
    empty(emptying_, effort, now);
    if (emptied(emptying_)) retire_emptied(emptying_);
    return true;
}

void Shard::begin_emptying(Emptying emptying) noexcept {
    emptying_ = emptying;
    meta(emptying.segment).state = SegmentState::Reclaiming;  // Nothing else may free it.
}

std::uint32_t Shard::dead_weight(std::uint32_t protect, std::uint32_t now) noexcept {
    const std::size_t expiry_looks = std::min(held_.size(), kExpiryLooks);
    if (const std::uint32_t id = expired_segment(expiry_looks, protect, now); id != kNoSegment)
        return id;
    const std::size_t looks =
        std::min<std::size_t>(held_.size(), config_.evict ? kDeadWeightLooks : held_.size());
    std::uint32_t best = kNoSegment;
    double best_benefit = 0;
    for (std::size_t i = 0; i < looks; ++i) {
        if (++held_cursor_ >= held_.size()) held_cursor_ = 0;
        const std::uint32_t id = held_[held_cursor_];
        const Segment& segment = meta(id);
        if (segment.state != SegmentState::Sealed || segment.pinned() || id == protect) continue;
        if (flushed(segment)) return id;
        const std::uint64_t percent = std::uint64_t{segment.live_bytes} * 100 / segment.fill;
        if (percent >= kCleanBelowPercent || segment.jumbo) continue;
        const double age = clock() - segment.birth + 1;
        const double used = static_cast<double>(percent);
        const double benefit = (100 - used) / (100 + used) * std::sqrt(age);
        if (benefit <= best_benefit) continue;
        best = id;
        best_benefit = benefit;
    }
    return best;
}

/// The oldest segment of a queue that may go.
std::uint32_t Shard::tail(const Queue& from, std::uint32_t protect) const noexcept {
    for (std::uint32_t id = from.oldest; id != kNoSegment; id = meta(id).younger) {
        const Segment& segment = meta(id);
        if (id != protect && segment.read_pins == 0 && segment.state != SegmentState::Reclaiming)
            return id;
    }
    return kNoSegment;
}

/// Hits of a segment's live items since they came into it, projected from a sample.
double Shard::estimate_hits(std::uint32_t id, std::uint32_t now) noexcept {
    struct Sampled {
        std::uint64_t hash;
        std::uint64_t location;
    };
    Sampled batch[kReclaimBatch];
    std::uint32_t batched = 0;
    std::uint32_t sampled = 0;
    std::uint64_t hits = 0;
    const auto look_up = [&]() noexcept {
        for (std::uint32_t i = 0; i < batched; ++i) {
            const SlotRef slot = index_.find_location(batch[i].hash, batch[i].location);
            if (slot == nullptr) continue;  // Died while a scan held the segment.
            hits += Slot::frequency(*slot);
            ++sampled;
        }
        batched = 0;
    };
    sample(id, [&](std::uint64_t at, const ItemView& item) noexcept {
        if (item.expired(now)) return;
        batch[batched] = {base::hash_key(item.key), at};
        index_.prefetch(batch[batched].hash);
        if (++batched == kReclaimBatch) look_up();
    });
    look_up();
    if (sampled == 0) return 0;
    const double mean = static_cast<double>(hits) / sampled;
    return meta(id).live_items * (mean + kHitsPrior);
}

/// What a segment is worth: hits per byte and square root of time. The lowest goes first. (Plain
/// time takes too much from what is old: a slot counts to three hits and no further. Measured on
/// the cdn sample: 2 % fewer misses.)
double Shard::score(Queue& from, std::uint32_t id, std::uint32_t now) noexcept {
    const Segment& segment = meta(id);
    const auto stale_after = static_cast<std::uint32_t>(share_bytes() / kClockBytes / 16);
    if (from.judged_sequence != segment.sequence || clock() - from.judged_at > stale_after) {
        from.judged_sequence = segment.sequence;
        from.judged_at = clock();
        from.hits = estimate_hits(id, now);
    }
    double hits = from.hits;
    if (config_.hit_weight != 0 && segment.live_items != 0) {
        hits *= std::pow(static_cast<double>(segment.live_bytes) / segment.live_items,
                         config_.hit_weight);
    }
    const double age = std::sqrt(clock() - segment.birth + 1.0);
    return hits / (static_cast<double>(segment_memory(segment)) * age);
}

/// A lane that is hardly used any more would keep what is in its open segment for ever.
void Shard::seal_stale() noexcept {
    for (Queue& from : queues_) {
        if (from.open == kNoSegment) continue;
        const std::uint64_t age = std::uint64_t{clock() - meta(from.open).birth} * kClockBytes;
        if (age > share_bytes()) seal(from);
    }
}

/// The tail that is worth least, of those that no scan holds if there are any: a scan reads a queue
/// from its tail, so rather what it has passed than memory that can only be lent.
std::uint32_t Shard::lowest_of(std::span<Queue> queues, std::uint32_t protect,
                               std::uint32_t now) noexcept {
    std::uint32_t best = kNoSegment;
    std::pair<bool, double> lowest;
    for (Queue& from : queues) {
        const std::uint32_t id = tail(from, protect);
        if (id == kNoSegment) continue;
        const std::pair value(meta(id).scan_pins != 0, score(from, id, now));
        if (best != kNoSegment && value >= lowest) continue;
        best = id;
        lowest = value;
    }
    return best;
}

std::uint32_t Shard::lowest_tail(std::uint32_t protect, std::uint32_t now) noexcept {
    if (config_.small_share == 0) return lowest_of(queues_, protect, now);
    static_assert(static_cast<int>(QueueKind::Small) == 0, "the small queues come first");
    const auto small = std::span(queues_).first(kLanes);
    const auto main = std::span(queues_).last(kLanes);
    const bool too_large = small_bytes_ * 100 > stats_.segment_bytes * config_.small_share;
    const std::uint32_t id = lowest_of(too_large ? small : main, protect, now);
    return id != kNoSegment ? id : lowest_of(too_large ? main : small, protect, now);
}

std::uint32_t Shard::victim(std::uint32_t protect, std::uint32_t now) noexcept {
    seal_stale();
    std::uint32_t best = lowest_tail(protect, now);
    if (best == kNoSegment) {
        // Under a small limit all that is left may be in open segments.
        for (Queue& from : queues_) seal(from);
        best = lowest_tail(protect, now);
    }
    if (best != kNoSegment && meta(best).state == SegmentState::Open) {
        queue(meta(best).queue).cleaned = kNoSegment;
        meta(best).state = SegmentState::Sealed;
    }
    return best;
}

std::uint32_t Shard::tail_age(std::uint32_t now) noexcept {
    constexpr std::uint32_t kLooks = 16;
    std::uint32_t oldest = 0;
    for (const Queue& from : queues_) {
        const std::uint32_t id = from.oldest != kNoSegment ? from.oldest : from.open;
        if (id == kNoSegment) continue;
        for (std::uint32_t offset = 0, look = 0; offset < meta(id).fill && look < kLooks; ++look) {
            const Place place{id, offset};
            const ItemView item = view_at(place);
            offset += item.bytes;
            if (item.header.has(ItemHeader::kDead)) continue;
            const SlotRef slot = index_.find_location(base::hash_key(item.key), location(place));
            if (slot == nullptr) continue;  // Died while a scan held the segment.
            oldest = std::max(oldest, stamp_age(Slot::stamp(*slot), now));
            break;
        }
    }
    return oldest;
}

void Shard::drop_from(std::uint32_t from, const ItemView& item, std::uint64_t hash, SlotRef slot,
                      std::uint32_t now) noexcept {
    const std::uint64_t word = *slot;
    const bool fetched = Slot::frequency(word) != 0 || item.header.has(ItemHeader::kHit);
    if (sizes_) [[unlikely]]
        sizes_->remove(item);
    if (item.expired(now)) {
        ++stats_.reclaimed;
        stats_.expired_unfetched += !fetched;
    } else if (!flushed(meta(from))) {
        ++stats_.evictions;
        stats_.evicted_unfetched += !fetched;
        stats_.evicted_active += Slot::frequency(word) != 0;
        stats_.evicted_nonzero += item.exptime != 0;
        stats_.evicted_at = now;
        stats_.evicted_age = stamp_age(Slot::stamp(word), now);
        ghost_.remember(hash, index_.count());
        tell_evicted(item, word, now);
    }
    index_.erase(slot);
    leave(from, item.bytes);
    stats_.item_bytes -= item.bytes;
}

/// Where an item of segment `from` goes that stays; none: there is no memory for it. Having been
/// hit takes it to main. Cleaning keeps it in its queue and in its place there, apart from new
/// items: what has outlived its neighbours will not be replaced soon.
std::uint32_t Shard::survivors_segment(std::uint32_t from, Retain retain,
                                       std::uint32_t bytes) noexcept {
    const bool cleaning = retain == Retain::All;
    const QueueId origin = meta(from).queue;
    const QueueId to = cleaning ? origin : QueueId(origin.lane(), QueueKind::Main);
    std::uint32_t& open = cleaning ? queue(to).cleaned : queue(to).open;
    if (fits(open, bytes)) return open;
    if (spare_ == kNoSegment) spare_ = pool_.acquire().value_or(kNoSegment);
    if (spare_ == kNoSegment) return kNoSegment;
    const std::uint32_t id = std::exchange(spare_, kNoSegment);
    if (cleaning) {
        seal_cleaned(queue(to));
        start_segment(id, to);
        meta(id).birth = meta(from).birth;
        link_behind(id, meta(from).older, queue(to));
        open = id;
    } else {
        open_segment(id, to);
    }
    return open;
}

bool Shard::relocate(std::uint32_t from, const ItemView& item, SlotRef slot, Retain retain,
                     std::uint32_t now) noexcept {
    const bool cleaning = retain == Retain::All;
    std::uint32_t bits = item.header.word;
    std::uint32_t bytes = item.bytes;
    const bool add_cas =
        item.header.has(ItemHeader::kCasSeen) && !item.header.has(ItemHeader::kHasCas);
    if (add_cas) {
        bits |= ItemHeader::kHasCas;
        bytes += 8;
    }
    const std::uint32_t to = survivors_segment(from, retain, bytes);
    if (to == kNoSegment) return false;
    const std::uint64_t word = *slot;
    std::uint64_t frequency = Slot::frequency(word);
    if (!cleaning) {
        const bool was_small = meta(from).queue.kind() == QueueKind::Small;
        frequency = was_small || frequency == 0 ? 0 : frequency - 1;
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
    note_exptime(place.segment, item.exptime, now);
    Index::store(slot, Slot::make(Slot::tag(word), frequency, Slot::stamp(word), location(place)));
    leave(from, item.bytes);
    stats_.item_bytes += bytes - item.bytes;
    ++stats_.moved_items;
    stats_.promoted_items += !cleaning;
    stats_.moved_bytes += bytes;
    return true;
}

/// Settles the item at `offset` of a segment that is being emptied: it is copied or dropped.
void Shard::settle(Emptying& emptying, std::uint32_t offset, std::uint64_t hash,
                   std::uint32_t now) noexcept {
    const Place place{emptying.segment, offset};
    SlotRef slot = index_.find_location(hash, location(place));
    if (slot == nullptr) return;  // Died while a scan held the segment.
    const ItemView item = view_at(place);
    const bool gone = item.expired(now) || flushed(meta(place.segment));
    const std::uint64_t frequency = Slot::frequency(*slot);
    const bool keep = !gone && frequency >= static_cast<std::uint64_t>(emptying.retain);
    const std::uint64_t moved = stats_.moved_bytes;
    if (keep && meta(place.segment).jumbo) {
        emptying.kept_whole = true;
        Index::store(slot, Slot::make(Slot::tag(*slot), frequency == 0 ? 0 : frequency - 1,
                                      Slot::stamp(*slot), Slot::location(*slot)));
    } else if (!keep || !relocate(place.segment, item, slot, emptying.retain, now)) {
        drop_from(place.segment, item, hash, slot, now);
    }
    emptying.copied_bytes += stats_.moved_bytes - moved;
}

/// Goes on with emptying a segment until about so much effort was spent on it: a byte copied counts
/// one, a live item gone through as many as take the same time.
void Shard::empty(Emptying& emptying, std::uint64_t effort, std::uint32_t now) noexcept {
    struct Candidate {
        std::uint32_t offset;
        std::uint64_t hash;
    };
    Candidate batch[kReclaimBatch];
    const std::uint64_t copied_before = emptying.copied_bytes;
    std::uint64_t spent = 0;
    while (!emptied(emptying) && spent + emptying.copied_bytes - copied_before < effort) {
        std::uint32_t batched = 0;
        std::uint64_t bytes = 0;
        while (!emptied(emptying) && batched < kReclaimBatch && bytes < kBatchBytes) {
            const ItemView item = view_at({emptying.segment, emptying.offset});
            spent += item.header.has(ItemHeader::kDead) ? kDeadEffort : kItemEffort;
            if (!item.header.has(ItemHeader::kDead)) {
                batch[batched] = {emptying.offset, base::hash_key(item.key)};
                index_.prefetch(batch[batched++].hash);
                bytes += item.bytes;
            }
            emptying.offset += item.bytes;
        }
        for (std::uint32_t i = 0; i < batched; ++i)
            settle(emptying, batch[i].offset, batch[i].hash, now);
        stats_.reclaim_looks += batched;
    }
}

/// A segment has been emptied. True: at least an eighth of its memory was won.
bool Shard::retire_emptied(Emptying& emptying) noexcept {
    const Emptying done = std::exchange(emptying, Emptying{});
    Segment& segment = meta(done.segment);
    unlink_segment(done.segment);
    const std::uint64_t memory = segment_memory(segment);
    const bool worth_it =
        !done.kept_whole && (memory - std::min(memory, done.copied_bytes)) * 8 >= memory;
    fruitless_ = worth_it ? 0 : fruitless_ + 1;
    if (done.kept_whole) {
        segment.state = SegmentState::Sealed;
        push_young(done.segment, done.retain == Retain::All
                                     ? segment.queue
                                     : QueueId(segment.queue.lane(), QueueKind::Main));
        return false;
    }
    SHARDMILL_DASSERT(segment.live_items == 0 && segment.live_bytes == 0);
    retire(done.segment);
    return worth_it || done.retain == Retain::All;
}

}  // namespace shardmill::store
