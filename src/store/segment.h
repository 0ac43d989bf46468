#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace shardmill::store {

inline constexpr std::uint32_t kNoSegment = 0;  // unit 0 of the pool is never handed out
inline constexpr std::uint32_t kNeverExpires = 0xffffffff;

enum class SegmentState : std::uint8_t {
    Free,
    Open,        // being appended to
    Sealed,      // in its queue
    Reclaiming,  // being emptied, in no queue
    Reserved,    // a large value is being received into it
    Detached,    // out of the cache, waiting for its last pin
};

enum class QueueId : std::uint8_t { Small, Main };
inline constexpr std::size_t kQueues = 2;

/// What a shard knows of one of its segments, apart from the segment's bytes: these are not touched
/// for anything but items. One cache line.
struct alignas(64) Segment {
    std::uint64_t sequence = 0;  // of this filling, never reused
    std::uint32_t fill = 0;      // bytes appended
    std::uint32_t capacity = 0;  // bytes that items may take
    std::uint32_t live_bytes = 0;
    std::uint32_t live_items = 0;
    std::uint32_t deadline = 0;        // latest exptime of its items, kNeverExpires if one has none
    std::uint32_t older = kNoSegment;  // neighbours in the queue
    std::uint32_t younger = kNoSegment;
    std::uint32_t held_at = 0;    // position in the shard's list of held segments
    std::uint32_t read_pins = 0;  // replies on their way: as many as clients ask for
    std::uint16_t scan_pins = 0;  // one per scan
    SegmentState state = SegmentState::Free;
    QueueId queue = QueueId::Small;
    bool jumbo = false;   // one large item, in pages of its own
    bool charged = true;  // false: lent to a scan over the limit
    /// Offsets of items that died while a scan held the segment; marked in the log when it lets go.
    std::unique_ptr<std::vector<std::uint32_t>> unmarked_dead;

    bool pinned() const noexcept { return scan_pins != 0 || read_pins != 0; }
};
static_assert(sizeof(Segment) == 64);

/// At the end of every segment of the normal size: for each 4 KiB block the offset in it, divided
/// by four, of the first item that starts there, so that a walk can begin anywhere. kNoStart: none
/// does.
inline constexpr std::uint32_t kRestartBlock = 4096;
inline constexpr std::uint16_t kNoStart = 0xffff;

/// Bytes of a segment that items may take; the rest is the restart table.
constexpr std::uint32_t usable_bytes(std::uint32_t segment_bytes) noexcept {
    return segment_bytes -
           segment_bytes / kRestartBlock * static_cast<std::uint32_t>(sizeof(std::uint16_t));
}

}  // namespace shardmill::store
