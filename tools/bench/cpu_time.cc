#include "bench/cpu_time.h"

#include <time.h>

namespace shardmill::bench {

namespace {

std::uint64_t to_ns(const timespec& t) noexcept {
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000ULL +
           static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t read_clock(clockid_t clock) noexcept {
    timespec t{};
    clock_gettime(clock, &t);
    return to_ns(t);
}

}  // namespace

std::optional<std::uint64_t> process_cpu_ns(int pid) noexcept {
    clockid_t clock{};
    if (clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
    timespec t{};
    if (clock_gettime(clock, &t) != 0) return std::nullopt;
    return to_ns(t);
}

std::uint64_t thread_cpu_ns() noexcept { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

std::uint64_t now_ns() noexcept { return read_clock(CLOCK_MONOTONIC); }

}  // namespace shardmill::bench
