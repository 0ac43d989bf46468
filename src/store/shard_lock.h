#pragma once

#include <atomic>
#include <cstdint>

namespace shardmill::store {

/// What waiting for a lock has cost: counted only where somebody had to wait.
struct LockWaits {
    std::uint64_t contended = 0;  // acquisitions that found the lock held
    std::uint64_t wait_ns = 0;    // until they had it
};

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

    /// Any thread, without the lock.
    LockWaits waits() const noexcept {
        return {contended_.load(std::memory_order_relaxed),
                wait_ns_.load(std::memory_order_relaxed)};
    }

 private:
    void lock_slow() noexcept;
    void wait_for_it() noexcept;
    void wake() noexcept;

    std::atomic<std::uint32_t> word_{0};
    // Written by whoever holds the lock, after having waited for it.
    std::atomic<std::uint64_t> contended_{0};
    std::atomic<std::uint64_t> wait_ns_{0};
};

}  // namespace shardmill::store
