#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace shardmill::engine {

inline constexpr base::UnixSeconds kNever = 0;
inline constexpr base::UnixSeconds kLongExpired = 1;             // 1970: stored, never readable
inline constexpr std::int32_t kRelativeMax = 60 * 60 * 24 * 30;  // larger ones are unix time

/// The deadline a client means: 0 never, negative at once, up to 30 days from now, otherwise unix
/// time. Unix times up to the start of the server count as past even if the clock was set back
/// since.
constexpr base::UnixSeconds deadline_of(std::int32_t exptime, base::UnixSeconds now,
                                        base::UnixSeconds started_at) noexcept {
    if (exptime == 0) return kNever;
    if (exptime < 0) return kLongExpired;
    const auto seconds = static_cast<base::UnixSeconds>(exptime);
    if (exptime <= kRelativeMax) return now + seconds;
    return seconds <= started_at ? kLongExpired : seconds;
}

/// The same for the binary protocol, whose numbers have no sign: what looks like -1 is a date in
/// 2106.
constexpr base::UnixSeconds deadline_of_unsigned(std::uint32_t exptime, base::UnixSeconds now,
                                                 base::UnixSeconds started_at) noexcept {
    if (exptime <= static_cast<std::uint32_t>(kRelativeMax))
        return exptime == 0 ? kNever : now + exptime;
    return exptime <= started_at ? kLongExpired : exptime;
}

/// Seconds since the start as memcached counts them: from 2 on, so that who divides by them never
/// divides by 0.
constexpr base::UnixSeconds uptime_of(base::UnixSeconds now,
                                      base::UnixSeconds started_at) noexcept {
    return now - std::min(now, started_at) + 2;
}

/// Seconds left until a deadline, as `t` shows them: -1 for never, 0 when it has passed.
constexpr std::int64_t seconds_left(base::UnixSeconds deadline, base::UnixSeconds now) noexcept {
    if (deadline == kNever) return -1;
    return std::max<std::int64_t>(0, std::int64_t{deadline} - std::int64_t{now});
}

}  // namespace shardmill::engine
