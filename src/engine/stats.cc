#include "engine/stats.h"

#include <algorithm>
#include <atomic>

#include "base/assert.h"
#include "engine/stats_tables.h"

namespace shardmill::engine {

namespace {

/// A figure of the connections: where it is counted, where it is summed, and whether it counts from
/// zero again after `stats reset` or is the present.
struct ConnectionFigure {
    std::atomic<std::uint64_t> net::ConnectionCounters::* counter;
    std::uint64_t ConnectionTotals::* total;
    bool resets;
};

using Counted = net::ConnectionCounters;
using Totals = ConnectionTotals;
constexpr ConnectionFigure kConnectionFigures[] = {
    {&Counted::current, &Totals::current, false},
    {&Counted::total, &Totals::total, true},
    {&Counted::rejected, &Totals::rejected, true},
    {&Counted::structures, &Totals::structures, false},
    {&Counted::idle_kicks, &Totals::idle_kicks, true},
    {&Counted::udp_requests, &Totals::udp_requests, true},
    {&Counted::udp_dropped, &Totals::udp_dropped, true},
    {&Counted::udp_refused, &Totals::udp_refused, true},
    {&Counted::tls_new_sessions, &Totals::tls_new_sessions, true},
    {&Counted::tls_handshake_errors, &Totals::tls_handshake_errors, true},
    {&Counted::tls_proto_errors, &Totals::tls_proto_errors, true},
    {&Counted::bytes_read, &Totals::bytes_read, true},
    {&Counted::bytes_written, &Totals::bytes_written, true},
    {&Counted::turns, &Totals::turns, true},
    {&Counted::yields, &Totals::yields, true},
    {&Counted::buffer_bytes, &Totals::buffer_bytes, false},
    {&Counted::idle_buffer_bytes, &Totals::idle_buffer_bytes, false},
};

void add(ConnectionTotals& sums, const net::ListenCounters& listening) noexcept {
    const std::uint64_t listeners = listening.listeners.load(std::memory_order_relaxed);
    sums.current += listeners - std::min<std::uint64_t>(listeners, 1);
    sums.total += listeners;
    sums.structures += listeners;
    sums.accepting = listening.accepting.load(std::memory_order_relaxed) ? 1 : 0;
    sums.listen_disabled = listening.disabled.load(std::memory_order_relaxed);
    sums.listen_disabled_us = listening.disabled_us.load(std::memory_order_relaxed);
    const std::uint64_t loaded_at = listening.certs_loaded_at_ns.load(std::memory_order_relaxed);
    sums.certs_age_s = (base::monotonic_ns() - loaded_at) / 1'000'000'000;
}

void add(store::ShardStats& sum, const store::ShardStats& part) noexcept {
    static constexpr std::uint64_t store::ShardStats::* kMembers[] = {
        &store::ShardStats::items,
        &store::ShardStats::item_bytes,
        &store::ShardStats::total_items,
        &store::ShardStats::evictions,
        &store::ShardStats::evicted_unfetched,
        &store::ShardStats::evicted_active,
        &store::ShardStats::evicted_nonzero,
        &store::ShardStats::expired_unfetched,
        &store::ShardStats::reclaimed,
        &store::ShardStats::crawler_reclaimed,
        &store::ShardStats::direct_reclaims,
        &store::ShardStats::moved_items,
        &store::ShardStats::promoted_items,
        &store::ShardStats::moved_bytes,
        &store::ShardStats::out_of_memory,
        &store::ShardStats::segments,
        &store::ShardStats::segment_bytes,
        &store::ShardStats::pinned_bytes,
        &store::ShardStats::index_bytes,
        &store::ShardStats::index_slots,
    };
    for (const auto member : kMembers) sum.*member += part.*member;
    sum.index_growing |= part.index_growing;
    if (part.evicted_at < sum.evicted_at) return;
    sum.evicted_at = part.evicted_at;
    sum.evicted_age = part.evicted_age;
}

}  // namespace

Statistics::Statistics(StatsProviders providers) : providers_(std::move(providers)) {
    SHARDMILL_ASSERT(providers_.shards != nullptr && providers_.config != nullptr);
    SHARDMILL_ASSERT(providers_.settings != nullptr && providers_.server != nullptr);
}

std::vector<Stat> Statistics::general(base::UnixSeconds now) {
    const StatTotals figures = totals(now);
    std::vector<Stat> stats;
    for (const StatLine& line : general_lines()) {
        if (line.is_shown(figures)) stats.push_back({std::string(line.name), line.value(figures)});
    }
    return stats;
}

StatTotals Statistics::totals(base::UnixSeconds now) {
    const ServerCounters& server = *providers_.server;
    std::uint32_t tail_age = 0;
    const store::ShardStats store = sum_shards(now, &tail_age);
    TurnCounts turns;
    for (const TurnCounts& reactor : turn_counts()) turns += reactor;
    const store::LockWaits waits = sum_of(lock_waits());
    StatTotals totals{.config = providers_.config,
                      .settings = providers_.settings,
                      .counters = sum_counters(),
                      .server = server_counters(),
                      .connections = sum_connections(),
                      .store = store,
                      .turn_p99_us = turns.under_us(0.99),
                      .turn_max_us = turns.under_us(1),
                      .lock_contended = waits.contended,
                      .lock_wait_us = waits.wait_ns / 1000,
                      .log_watchers = server.log_watchers,
                      .lru_crawler_running = server.lru_crawler_running,
                      .tail_age = tail_age,
                      .shards = providers_.shards->size(),
                      .memory_limit = providers_.shards->memory_limit(),
                      .budget = providers_.shards->budget(),
                      .charged_bytes = providers_.shards->charged_bytes(),
                      .started_at = providers_.started_at,
                      .now = now};
    const std::lock_guard lock(baseline_mutex_);
    for (std::size_t i = 0; i < kCounters; ++i) totals.counters[i] -= counters_baseline_[i];
    for (std::size_t i = 0; i < kServerCounters; ++i) totals.server[i] -= server_baseline_[i];
    for (const ConnectionFigure& figure : kConnectionFigures) {
        if (figure.resets) {
            totals.connections.*figure.total -= connections_baseline_.*figure.total;
        }
    }
    totals.connections.listen_disabled -= connections_baseline_.listen_disabled;
    totals.connections.listen_disabled_us -= connections_baseline_.listen_disabled_us;
    return totals;
}

void Statistics::reset() {
    for (std::uint32_t shard = 0; shard < providers_.shards->size(); ++shard) {
        providers_.shards->lock(shard)->reset_stats();
    }
    if (providers_.prefixes != nullptr) providers_.prefixes->clear();
    const CounterValues counters = sum_counters();
    const ServerValues server = server_counters();
    const ConnectionTotals connections = sum_connections();
    std::vector<TurnCounts> turns = read_turns();
    std::vector<store::LockWaits> waits = read_lock_waits();
    const std::lock_guard lock(baseline_mutex_);
    counters_baseline_ = counters;
    server_baseline_ = server;
    connections_baseline_ = connections;
    turns_baseline_.swap(turns);
    lock_waits_baseline_.swap(waits);
}

std::vector<TurnCounts> Statistics::turn_counts() {
    std::vector<TurnCounts> turns = read_turns();
    const std::lock_guard lock(baseline_mutex_);
    for (std::size_t i = 0; i < turns_baseline_.size(); ++i) turns[i] -= turns_baseline_[i];
    return turns;
}

std::vector<store::LockWaits> Statistics::lock_waits() {
    std::vector<store::LockWaits> waits = read_lock_waits();
    const std::lock_guard lock(baseline_mutex_);
    for (std::size_t i = 0; i < lock_waits_baseline_.size(); ++i) {
        waits[i].contended -= lock_waits_baseline_[i].contended;
        waits[i].wait_ns -= lock_waits_baseline_[i].wait_ns;
    }
    return waits;
}

std::vector<TurnCounts> Statistics::read_turns() const {
    std::vector<TurnCounts> turns;
    for (const runtime::TurnHistogram* histogram : providers_.turn_lengths)
        turns.push_back(TurnCounts::of(*histogram));
    return turns;
}

std::vector<store::LockWaits> Statistics::read_lock_waits() const {
    std::vector<store::LockWaits> waits;
    for (std::uint32_t shard = 0; shard < providers_.shards->size(); ++shard)
        waits.push_back(providers_.shards->lock_waits(shard));
    return waits;
}

CounterValues Statistics::sum_counters() const noexcept {
    CounterValues sums{};
    for (const Counters* counters : providers_.counters) {
        for (std::size_t i = 0; i < kCounters; ++i) {
            sums[i] += counters->get(static_cast<Counter>(i));
        }
    }
    return sums;
}

ServerValues Statistics::server_counters() const noexcept {
    ServerValues values{};
    for (std::size_t i = 0; i < kServerCounters; ++i) {
        values[i] = providers_.server->get(static_cast<ServerCounter>(i));
    }
    return values;
}

ConnectionTotals Statistics::sum_connections() const noexcept {
    ConnectionTotals sums;
    for (const net::ConnectionCounters* counters : providers_.connections) {
        for (const ConnectionFigure& figure : kConnectionFigures) {
            sums.*figure.total += (counters->*figure.counter).load(std::memory_order_relaxed);
        }
    }
    if (providers_.listening != nullptr) add(sums, *providers_.listening);
    return sums;
}

/// Whoever asks waits for each shard as a request would, and holds it for a copy of its figures.
store::ShardStats Statistics::sum_shards(base::UnixSeconds now,
                                         std::uint32_t* tail_age) const noexcept {
    store::ShardStats sum;
    for (std::uint32_t id = 0; id < providers_.shards->size(); ++id) {
        const auto shard = providers_.shards->lock(id);
        add(sum, shard->stats());
        if (tail_age != nullptr) *tail_age = std::max(*tail_age, shard->tail_age(now));
    }
    return sum;
}

}  // namespace shardmill::engine
