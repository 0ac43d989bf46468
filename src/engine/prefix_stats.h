#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace shardmill::engine {

/// `stats detail`: what was asked of the keys of each prefix, the part of a key before the first
/// delimiter. Keys without one are not counted. Every executor counts in a table of its own, which
/// only it writes; whoever asks adds them up. Not counted are further prefixes than 65536, and
/// those that a report of lines cannot show.
class PrefixStats {
 public:
    enum class Kind : std::uint8_t { Get, Set, Delete };
    static constexpr std::uint32_t kPrefixesMax = 65536;

 private:
    struct Table;

 public:
    /// The part of one executor.
    class Recorder {
     public:
        explicit Recorder(const PrefixStats& stats) noexcept : stats_(stats) {}

        /// Counts one command on `key`; `hit` is for gets. On the executor's thread only. Allocates
        /// where a prefix is new, and does without where there is no memory.
        void count(std::string_view key, Kind kind, bool hit) noexcept;

     private:
        friend class PrefixStats;
        void start_over(std::uint64_t generation) noexcept;
        std::shared_ptr<const Table> table() const;

        const PrefixStats& stats_;
        std::uint64_t generation_ = 0;
        Table* own_ = nullptr;      // the same as shared_, without asking for the lock
        mutable std::mutex mutex_;  // held to exchange or copy the pointer
        std::shared_ptr<Table> shared_;
    };

    PrefixStats(char delimiter, std::uint32_t executors);
    ~PrefixStats();
    PrefixStats(const PrefixStats&) = delete;
    PrefixStats& operator=(const PrefixStats&) = delete;

    /// Lives as long as this does.
    Recorder& recorder(std::uint32_t executor) noexcept { return recorders_[executor]; }

    /// Forgets all prefixes. Any thread.
    void clear() noexcept { generation_.fetch_add(1, std::memory_order_relaxed); }

    /// Appends `PREFIX <prefix> get <n> hit <n> set <n> del <n>` lines in the order of prefixes,
    /// and END. Any thread. Takes time: it looks at every prefix of every executor.
    void dump(std::string& out) const;

 private:
    const char delimiter_;
    std::atomic<std::uint64_t> generation_{1};  // of the tables; older ones are forgotten
    std::deque<Recorder> recorders_;
};

}  // namespace shardmill::engine
