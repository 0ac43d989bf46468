#pragma once

#include <algorithm>
#include <bit>
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

/// What an item has shown so far: new ones start in small, those that were hit go on in main.
enum class QueueKind : std::uint8_t { Small, Main };

/// Items go by size to lanes, each four times as wide as the one before: under 256 bytes, under
/// 1 KiB, ... 1 MiB and more. A lane costs nothing until it is used.
inline constexpr std::uint32_t kLanes = 8;
inline constexpr std::uint32_t kQueues = 2 * kLanes;

constexpr std::uint32_t lane_of(std::uint32_t item_bytes) noexcept {
    const auto width = static_cast<std::uint32_t>(std::bit_width(item_bytes));
    return width <= 8 ? 0 : std::min((width - 7) / 2, kLanes - 1);
}
static_assert(lane_of(255) == 0 && lane_of(256) == 1 && lane_of(1023) == 1 && lane_of(1024) == 2);
static_assert(lane_of((1u << 20) - 1) == 6 && lane_of(1u << 20) == 7 && lane_of(1u << 30) == 7);

/// A moment in 16 bits: units of eight seconds, good for comparing with a `now` up to three days
/// away. What is further ahead is looked at in two days and put off again.
struct ExpiryTime {
    static constexpr std::uint32_t kUnitSeconds = 8;
    static constexpr std::uint32_t kAheadMax = 2 * 24 * 3600;

    /// Not before `when`.
    static constexpr std::uint16_t at(std::uint32_t when, std::uint32_t now) noexcept {
        const std::uint32_t nearer = when > now + kAheadMax ? now + kAheadMax : when;
        return static_cast<std::uint16_t>((nearer + kUnitSeconds - 1) / kUnitSeconds);
    }
    static constexpr std::uint32_t when(std::uint16_t time, std::uint32_t now) noexcept {
        const std::int32_t units = static_cast<std::int16_t>(time - now / kUnitSeconds);
        return now + static_cast<std::uint32_t>(units * static_cast<std::int32_t>(kUnitSeconds));
    }
    static constexpr bool due(std::uint16_t time, std::uint32_t now) noexcept {
        return when(time, now) <= now;
    }
    static constexpr bool earlier(std::uint16_t a, std::uint16_t b) noexcept {
        return static_cast<std::int16_t>(a - b) < 0;
    }
};

/// One of a shard's queues of segments.
struct QueueId {
    std::uint8_t number = 0;

    QueueId() = default;
    constexpr QueueId(std::uint32_t lane, QueueKind kind) noexcept
        : number(static_cast<std::uint8_t>(static_cast<std::uint32_t>(kind) * kLanes + lane)) {}
    constexpr std::uint32_t lane() const noexcept { return number % kLanes; }
    constexpr QueueKind kind() const noexcept { return static_cast<QueueKind>(number / kLanes); }
};

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
    QueueId queue;
    bool jumbo : 1 = false;         // one large item, in pages of its own
    bool charged : 1 = true;        // false: lent to a scan over the limit
    bool expiring : 1 = false;      // `expiry_look` holds a time
    std::uint16_t expiry_look = 0;  // when to look for expired items, see ExpiryTime
    std::uint32_t birth = 0;        // on the shard's clock of appended bytes, when it was sealed
    /// Offsets of items that died while a scan held the segment; marked in the log when it lets go.
    std::unique_ptr<std::vector<std::uint32_t>> unmarked_dead;

    bool pinned() const noexcept { return scan_pins != 0 || read_pins != 0; }

    /// An item with this deadline (0: none) is in it from now on.
    void note_exptime(std::uint32_t exptime, std::uint32_t now) noexcept {
        deadline = exptime == 0 ? kNeverExpires : std::max(deadline, exptime);
        if (exptime == 0) return;
        const std::uint16_t look = ExpiryTime::at(exptime, now);
        if (expiring && !ExpiryTime::earlier(look, expiry_look)) return;
        expiring = true;
        expiry_look = look;
    }
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
