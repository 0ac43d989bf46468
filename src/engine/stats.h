#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "engine/counters.h"
#include "engine/hot_keys.h"
#include "engine/load_stats.h"
#include "engine/prefix_stats.h"
#include "engine/runtime_settings.h"
#include "engine/stats_totals.h"
#include "net/executor.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// Where the figures come from. Everything pointed to outlives Statistics.
struct StatsProviders {
    store::ShardSet* shards = nullptr;
    const config::Config* config = nullptr;
    RuntimeSettings* settings = nullptr;
    PrefixStats* prefixes = nullptr;    // nullptr: there are none
    std::vector<const HotSample*> hot;  // one per executor
    const ServerCounters* server = nullptr;
    std::vector<const Counters*> counters;                    // one per executor
    std::vector<const net::ConnectionCounters*> connections;  // one per reactor
    const net::ListenCounters* listening = nullptr;           // nullptr: nobody listens
    std::vector<const runtime::TurnHistogram*> turn_lengths;  // one per reactor
    base::UnixSeconds started_at = 0;
    std::vector<std::pair<std::string, std::string>>
        settings_lines;  // of `stats settings`, in order, as they were at the start
};

/// One line of a report.
struct Stat {
    std::string name;
    std::string value;
};

/// The `stats` command and its sub-commands. One object for the whole server, used by all reactors
/// and the control plane: any thread. Takes shard locks one after the other; never call it with one
/// held.
class Statistics {
 public:
    explicit Statistics(StatsProviders providers);

    /// The server is made after its executors: its counters follow here, before the first report.
    void set_connections(std::vector<const net::ConnectionCounters*> connections,
                         const net::ListenCounters* listening) {
        providers_.connections = std::move(connections);
        providers_.listening = listening;
    }

    void set_turn_lengths(std::vector<const runtime::TurnHistogram*> turn_lengths) {
        providers_.turn_lengths = std::move(turn_lengths);
    }

    /// Appends the whole reply of `stats <arguments>` to `reply`: the lines and END, RESET, OK or
    /// an error. The sub-commands answered by the control plane (batch, snapshot) are not known
    /// here.
    void report(std::string_view arguments, base::UnixSeconds now, std::string& reply);

    /// True where the report takes so long that it should not be made on a reactor.
    static bool is_long_report(std::string_view arguments) noexcept;

    /// The figures of plain `stats`, for other ways of showing them.
    std::vector<Stat> general(base::UnixSeconds now);

    /// The figures behind all reports.
    StatTotals totals(base::UnixSeconds now);

    /// One per reactor, one per shard.
    std::vector<TurnCounts> turn_counts();
    std::vector<store::LockWaits> lock_waits();

    /// `stats reset`: counters count from zero again as far as any report can tell. What describes
    /// the present (items, bytes, connections) is untouched.
    void reset();

    /// Segments of all shards: the pages that slab commands speak of.
    std::uint64_t segments() const noexcept { return sum_shards(0).segments; }

    const StatsProviders& providers() const noexcept { return providers_; }

 private:
    CounterValues sum_counters() const noexcept;
    ServerValues server_counters() const noexcept;
    ConnectionTotals sum_connections() const noexcept;
    std::vector<TurnCounts> read_turns() const;
    std::vector<store::LockWaits> read_lock_waits() const;
    store::ShardStats sum_shards(base::UnixSeconds now,
                                 std::uint32_t* tail_age = nullptr) const noexcept;

    StatsProviders providers_;
    std::mutex baseline_mutex_;  // held for copies of the baselines only
    CounterValues counters_baseline_{};
    ServerValues server_baseline_{};
    ConnectionTotals connections_baseline_;
    std::vector<TurnCounts> turns_baseline_;             // empty: never reset
    std::vector<store::LockWaits> lock_waits_baseline_;  // likewise
};

}  // namespace shardmill::engine
