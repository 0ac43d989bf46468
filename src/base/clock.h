#pragma once

#include <cstdint>
#include <ctime>

namespace shardmill::base {

/// Unix time in whole seconds; what item deadlines are compared with.
using UnixSeconds = std::uint32_t;

inline UnixSeconds unix_now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
    return static_cast<UnixSeconds>(time.tv_sec);
}

/// Unix time in microseconds.
inline std::uint64_t unix_now_us() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000u +
           static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

/// Monotonic nanoseconds, for durations only.
inline std::uint64_t monotonic_ns() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(time.tv_nsec);
}

/// CPU time of the calling thread in nanoseconds.
inline std::uint64_t thread_cpu_ns() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace shardmill::base
