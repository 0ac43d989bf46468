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
    AuthCmds,
    AuthErrors,
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::AuthErrors) + 1;

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
    /// What was counted has turned out not to be so.
    void take_back(Counter counter) noexcept { add(counter, ~std::uint64_t{0}); }
    std::uint64_t get(Counter counter) const noexcept {
        return values_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
    }

 private:
    std::array<std::atomic<std::uint64_t>, kCounters> values_{};
};

/// What happens to the server as a whole and is counted by whichever thread is there; rare enough
/// for that. Named as `stats` names it.
enum class ServerCounter : std::uint8_t {
    LruCrawlerStarts,
    CrawlerItemsChecked,
    LogWorkerDropped,
    LogWorkerWritten,
    LogWatcherSkipped,
    LogWatcherSent,
};
inline constexpr std::size_t kServerCounters =
    static_cast<std::size_t>(ServerCounter::LogWatcherSent) + 1;

/// Any thread. Never set back, as Counters.
class ServerCounters {
 public:
    void add(ServerCounter counter, std::uint64_t count = 1) noexcept {
        values_[static_cast<std::size_t>(counter)].fetch_add(count, std::memory_order_relaxed);
    }
    std::uint64_t get(ServerCounter counter) const noexcept {
        return values_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
    }

    // The present: `stats reset` does not touch it.
    std::atomic<std::uint64_t> log_watchers{0};
    std::atomic<std::uint64_t> lru_crawler_running{0};

 private:
    std::array<std::atomic<std::uint64_t>, kServerCounters> values_{};
};

}  // namespace shardmill::engine
