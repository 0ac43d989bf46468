#pragma once

#include <cstdint>

namespace shardmill::store {

/// When an item was last read, in 16 bits: seconds modulo 2^15 (9 hours), or, with the top bit set,
/// minutes modulo 2^15 (22 days). Exact to the second for what was read within four hours; older
/// stamps are re-coded to minutes in time by a sweep (Index::refresh_stamps).
using AccessStamp = std::uint16_t;

inline constexpr AccessStamp kStampMinutes = 0x8000;
inline constexpr std::uint32_t kStampRange = 0x8000;
inline constexpr std::uint32_t kStampRefreshSeconds = 4 * 3600;

constexpr AccessStamp stamp_now(std::uint32_t now) noexcept {
    return static_cast<AccessStamp>(now % kStampRange);
}

/// Seconds since the stamp was set; rounded down to minutes for minute stamps.
constexpr std::uint32_t stamp_age(AccessStamp stamp, std::uint32_t now) noexcept {
    if ((stamp & kStampMinutes) == 0) return (now - stamp) % kStampRange;
    return (now / 60 - (stamp & ~kStampMinutes)) % kStampRange * 60;
}

/// The same moment in the code that stays readable until the next sweep.
constexpr AccessStamp refreshed_stamp(AccessStamp stamp, std::uint32_t now) noexcept {
    const std::uint32_t age = stamp_age(stamp, now);
    if ((stamp & kStampMinutes) == 0 && age < kStampRefreshSeconds) return stamp;
    // Beyond the range of minutes the age stays at its maximum instead of starting over.
    constexpr std::uint32_t kMinutesMax = kStampRange - 2 * kStampRefreshSeconds / 60;
    const std::uint32_t minutes = age / 60 < kMinutesMax ? age / 60 : kMinutesMax;
    return static_cast<AccessStamp>(kStampMinutes | ((now / 60 - minutes) % kStampRange));
}

}  // namespace shardmill::store
