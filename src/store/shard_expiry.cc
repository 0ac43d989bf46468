// Memory of expired items: found without being asked for, and without a look at every item.

#include <algorithm>
#include <cmath>
#include <utility>

#include "store/shard.h"

namespace shardmill::store {

/// True if so much of a segment has died or expired that cleaning it is worth it. Otherwise notes
/// when it will be.
bool Shard::is_expired_garbage(std::uint32_t id, std::uint32_t now) noexcept {
    Segment& segment = meta(id);
    if (segment.deadline <= now) return true;
    std::uint32_t deadlines[256];
    std::uint32_t with_deadline = 0;
    std::uint32_t sampled = 0;
    sample(id, [&](std::uint64_t, const ItemView& item) noexcept {
        ++sampled;
        if (item.exptime != 0) deadlines[with_deadline++] = item.exptime;
    });
    // As many of the sampled items must have expired, with what is dead already.
    const double live = static_cast<double>(segment.live_bytes) / segment.fill;
    const double keep = kCleanBelowPercent / 100.0 / live;
    const auto needed =
        static_cast<std::uint32_t>(std::max(1.0, std::ceil(sampled * (1 - std::min(keep, 1.0)))));
    if (needed > with_deadline) {
        segment.expiring = false;  // The rest never expires; its memory comes back by eviction.
        return false;
    }
    std::nth_element(deadlines, deadlines + needed - 1, deadlines + with_deadline);
    const std::uint32_t when = deadlines[needed - 1];
    if (when <= now) return true;
    segment.expiring = true;
    segment.expiry_look = ExpiryTime::at(when, now);
    return false;
}

/// A segment that is worth cleaning because of what has expired in it. One that cannot be cleaned
/// now, or is not worth it yet, tells when to look again.
bool Shard::has_expired(std::uint32_t id, std::uint32_t protect, std::uint32_t now) noexcept {
    Segment& segment = meta(id);
    if (!segment.expiring || segment.state == SegmentState::Detached) return false;
    std::uint32_t again = ExpiryTime::when(segment.expiry_look, now);
    // (After days without a look the short time may lie, the deadline does not.)
    if (again <= now || segment.deadline <= now) {
        again = now + ExpiryTime::kUnitSeconds;
        if (segment.state == SegmentState::Open && segment.deadline <= now) seal_any(id);
        if (segment.state == SegmentState::Sealed && !segment.pinned() && id != protect) {
            if (is_expired_garbage(id, now)) return true;
            if (!segment.expiring) return false;
            again = ExpiryTime::when(segment.expiry_look, now);
        }
    }
    expiry_next_ = std::min(expiry_next_, again);
    return false;
}

/// Looks at up to `looks` segments for one whose expired items are worth cleaning up.
std::uint32_t Shard::expired_segment(std::size_t looks, std::uint32_t protect,
                                     std::uint32_t now) noexcept {
    expiry_searched_at_ = now;
    for (; looks != 0 && now >= expiry_due_; --looks) {
        if (expiry_cursor_ >= held_.size()) {
            expiry_cursor_ = 0;
            expiry_due_ = std::exchange(expiry_next_, kNeverExpires);
            continue;
        }
        const std::uint32_t id = held_[expiry_cursor_];
        if (has_expired(id, protect, now)) return id;
        ++expiry_cursor_;
    }
    return kNoSegment;
}

}  // namespace shardmill::store
