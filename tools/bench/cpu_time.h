#pragma once

#include <cstdint>
#include <optional>

namespace shardmill::bench {

/// Nanoseconds of CPU (user and system, all threads, also those that ended) the kernel has charged
/// to a process so far; nullopt when there is no such process.
std::optional<std::uint64_t> process_cpu_ns(int pid) noexcept;

/// The same for the calling thread.
std::uint64_t thread_cpu_ns() noexcept;

/// CLOCK_MONOTONIC.
std::uint64_t now_ns() noexcept;

}  // namespace shardmill::bench
