#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "store/item.h"

namespace shardmill::store {

/// Shared by everybody who takes part in one scan; outlives the pins.
struct CutState {
    /// Set by a shard that had to take memory back from the scan: what was not scanned by then is
    /// lost, the scan must fail with that reason.
    std::atomic<bool> failed{false};
};

/// One segment held still for a scan: its bytes [0, bytes) do not change until it is released.
struct PinnedSegment {
    enum class Claim : std::uint8_t { Pinned, Reading, TakenBack, Released };

    std::uint32_t shard = 0;
    std::uint32_t segment = 0;  // the shard's own id
    std::uint32_t bytes = 0;    // filled at the moment of the cut
    const char* data = nullptr;
    std::uint64_t sequence = 0;
    std::vector<std::uint32_t>
        dead;  // offsets that had died before the cut without a mark in the log, ascending
    std::shared_ptr<std::atomic<Claim>> claim_word;

    /// Must be called, once, before the bytes are read. False: the shard ran out of memory and took
    /// the segment back; the scan has failed (CutState::failed) and the bytes must not be touched.
    bool claim() const noexcept {
        Claim expected = Claim::Pinned;
        return claim_word->compare_exchange_strong(expected, Claim::Reading,
                                                   std::memory_order_acq_rel) ||
               expected == Claim::Reading;
    }

    std::uint64_t derived_cas(std::uint32_t offset) const noexcept {
        return sequence << 24 | offset / kItemAlign;
    }
};

/// A shard as it was at one moment: every item that was live then is in exactly one of the
/// segments. Every segment must be given back with ShardSet::release_cut, read or not.
struct ShardCut {
    std::uint32_t shard = 0;
    std::uint32_t now = 0;    // unix seconds of the cut: what had expired then is not part of it
    std::uint64_t items = 0;  // live items, those that expired unnoticed included
    std::uint64_t bytes = 0;  // their bytes in the log
    std::vector<PinnedSegment> segments;  // in the order in which eviction would take them
    std::shared_ptr<CutState> state;
};

/// How far into a segment a walk has got.
struct SegmentCursor {
    std::uint32_t offset = 0;
    std::size_t dead = 0;  // of PinnedSegment::dead
};

/// Calls `visit(const ItemView&)` for the items of the segment that were live at the cut, from
/// `cursor` on until it returns false; `cursor` then stands behind that item. True: the end was
/// reached. Without any lock, from any thread, once the segment is claimed and until it is
/// released. A `now` of 0 shows what has expired, too.
template <typename Visitor>
bool visit_items_from(const PinnedSegment& segment, std::uint32_t now, SegmentCursor& cursor,
                      Visitor&& visit) {
    // The next header's place is known only from this one: asking early for what lies a few items
    // ahead halves the time per item (measured, 128-byte items, log in memory: 29 to 15 ns). Long
    // items are taken to be as long as this one: neighbours of the same kind often are.
    constexpr std::uint64_t kPrefetchBytes = 2048;
    constexpr std::uint64_t kPrefetchItems = 8;
    auto dead = segment.dead.begin() + static_cast<std::ptrdiff_t>(cursor.dead);
    bool more = true;
    std::uint32_t offset = cursor.offset;
    while (more && offset < segment.bytes) {
        const ItemView item = decode_item(segment.data + offset, segment.derived_cas(offset));
        const std::uint64_t ahead = std::max(kPrefetchBytes, kPrefetchItems * item.bytes);
        if (segment.bytes - offset > ahead) __builtin_prefetch(segment.data + offset + ahead);
        bool live = !item.header.has(ItemHeader::kDead) && !item.expired(now);
        if (dead != segment.dead.end() && *dead == offset) {
            ++dead;
            live = false;
        }
        if (live) more = visit(item);
        offset += item.bytes;
    }
    cursor = {offset, static_cast<std::size_t>(dead - segment.dead.begin())};
    return offset >= segment.bytes;
}

/// The same for all items in one go.
template <typename Visitor>
void visit_items(const PinnedSegment& segment, std::uint32_t now, Visitor&& visit) {
    SegmentCursor cursor;
    visit_items_from(segment, now, cursor, [&visit](const ItemView& item) {
        visit(item);
        return true;
    });
}

}  // namespace shardmill::store
