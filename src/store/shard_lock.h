#pragma once

#include <atomic>
#include <cstdint>

namespace shardmill::store {

/// A mutex for sections of nanoseconds to a few microseconds: spins briefly, then sleeps on a
/// futex, so that a preempted holder does not make others burn their time slices. Three states as
/// in Drepper's "Futexes are tricky": 0 free, 1 held, 2 held and somebody may be asleep.
class ShardLock {
 public:
    void lock() noexcept {
        std::uint32_t expected = 0;
        if (!word_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
            lock_slow();
        }
    }
    void unlock() noexcept {
        if (word_.exchange(0, std::memory_order_release) == 2) wake();
    }
    bool try_lock() noexcept {
        std::uint32_t expected = 0;
        return word_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }

 private:
    void lock_slow() noexcept;
    void wake() noexcept;

    std::atomic<std::uint32_t> word_{0};
};

}  // namespace shardmill::store
