#include "store/shard_lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

namespace shardmill::store {
namespace {

// About the length of a short critical section: longer and the holder is probably not running.
constexpr int kSpins = 64;

void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) noexcept {
    ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG,
              value, nullptr, nullptr, 0);
}

}  // namespace

void ShardLock::lock_slow() noexcept {
    const std::uint64_t began = base::monotonic_ns();
    wait_for_it();
    const auto add = [](std::atomic<std::uint64_t>& sum, std::uint64_t part) noexcept {
        sum.store(sum.load(std::memory_order_relaxed) + part, std::memory_order_relaxed);
    };
    add(contended_, 1);
    add(wait_ns_, base::monotonic_ns() - began);
}

void ShardLock::wait_for_it() noexcept {
    for (int spin = 0; spin < kSpins; ++spin) {
        if (word_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
        relax();
    }
    while (word_.exchange(2, std::memory_order_acquire) != 0) futex(word_, FUTEX_WAIT, 2);
}

void ShardLock::wake() noexcept { futex(word_, FUTEX_WAKE, 1); }

}  // namespace shardmill::store
