#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shardmill::engine {

/// What executing requests counts, named as `stats` names it.
enum class Counter : std::uint8_t {
    CmdGet,
    CmdSet,
    CmdFlush,
    CmdTouch,
    CmdMeta,
    GetHits,
    GetMisses,
    GetExpired,
    GetFlushed,
    DeleteMisses,
    DeleteHits,
    IncrMisses,
    IncrHits,
    DecrMisses,
    DecrHits,
    CasMisses,
    CasHits,
    CasBadval,
    TouchHits,
    TouchMisses,
    StoreTooLarge,
    StoreNoMemory,
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::StoreNoMemory) + 1;

/// The counters of one executor. Written by its reactor alone, read by any thread at any time;
/// counted from the start of the process on and never set back (`stats reset` is a baseline in
/// Statistics).
class alignas(64) Counters {
 public:
    void add(Counter counter, std::uint64_t count = 1) noexcept {
        // A load and a store, not a read-modify-write: there is one writer.
        std::atomic<std::uint64_t>& value = values_[static_cast<std::size_t>(counter)];
        value.store(value.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    std::uint64_t get(Counter counter) const noexcept {
        return values_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
    }

 private:
    std::array<std::atomic<std::uint64_t>, kCounters> values_{};
};

}  // namespace shardmill::engine
