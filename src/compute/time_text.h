#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "compute/value.h"

namespace shardmill::compute {

/// What the width of a time bucket is counted in.
enum class TimeUnit : std::uint8_t { Seconds, Weeks, Months, Years };

/// The moment a value stands for, in Unix seconds, rounded down. Numbers are seconds, from 1e11 on
/// milliseconds, from 1e14 microseconds, from 1e17 nanoseconds; strings are ISO 8601
/// (2024-05-01, 2024-05-01T12:30[:15[.5]], with a blank for the T; Z, an offset like +02:00, or UTC
/// is meant). Nothing for everything else and for moments outside the years 0 to 9999.
std::optional<std::int64_t> unix_seconds(const Value& value) noexcept;

/// The start of the bucket that a moment lies in, in UTC: every `width` units since 1970, weeks
/// since Monday, 1969-12-29.
std::int64_t time_bucket(std::int64_t moment, TimeUnit unit, std::int64_t width) noexcept;

inline constexpr std::size_t kTimeTextBytes = 20;

/// As text that sorts by time: 2024-05-01T12:30:00Z, only as much of it as buckets of that width
/// need (2024-05-01 from a day up, 2024-05, 2024). Returns how many bytes of the kTimeTextBytes at
/// `out` were written.
std::size_t write_time(char* out, std::int64_t moment, TimeUnit unit, std::int64_t width) noexcept;

}  // namespace shardmill::compute
