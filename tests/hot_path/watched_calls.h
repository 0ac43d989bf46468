#pragma once

#include <cstdint>

namespace shardmill::testing {

/// What was called in a stretch of time by the threads that are watched.
struct WatchedCalls {
    std::uint64_t allocations = 0;  // malloc and its kin, operator new among them
    std::uint64_t frees = 0;
    std::int64_t bytes_kept = 0;   // allocated and not freed, as the allocator rounds them
    std::uint64_t exceptions = 0;  // thrown
    std::uint64_t mutexes = 0;     // pthread_mutex_lock, std::mutex among them; not a shard's lock
};

/// The calling thread is not watched from now on; all others are.
void exempt_this_thread();

/// Counts calls of all watched threads, from here to `stop_watching`. One watch at a time.
void start_watching();
WatchedCalls stop_watching();

}  // namespace shardmill::testing
