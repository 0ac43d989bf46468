#include "engine/stats.h"

#include <fmt/format.h>

#include <atomic>

#include "base/log.h"
#include "engine/command_context.h"
#include "engine/stats_tables.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace shardmill::engine {

namespace {

using protocol::append_stat;
using protocol::replies::kEnd;

void append_lines(std::string& reply, std::string_view prefix, std::span<const StatLine> lines,
                  const StatTotals& totals) {
    for (const StatLine& line : lines) {
        append_stat(reply, fmt::format("{}{}", prefix, line.name), line.value(totals));
    }
}

void report_general(Statistics& statistics, base::UnixSeconds now, std::string& reply) {
    append_lines(reply, "", general_lines(), statistics.totals(now));
    reply.append(kEnd);
}

void report_reset(Statistics& statistics, base::UnixSeconds, std::string& reply) {
    statistics.reset();
    reply.append(protocol::replies::kReset);
}

void report_settings(Statistics& statistics, base::UnixSeconds, std::string& reply) {
    for (const auto& [name, value] : statistics.providers().settings) {
        // The one setting a command can change.
        append_stat(reply, name, name == "verbosity" ? fmt::to_string(base::verbosity()) : value);
    }
    reply.append(kEnd);
}

void report_items(Statistics& statistics, base::UnixSeconds now, std::string& reply) {
    const StatTotals totals = statistics.totals(now);
    if (totals.store.items != 0) {
        append_lines(reply, fmt::format("items:{}:", kItemClass), item_lines(), totals);
    }
    reply.append(kEnd);
}

void report_slabs(Statistics& statistics, base::UnixSeconds now, std::string& reply) {
    const StatTotals totals = statistics.totals(now);
    append_lines(reply, fmt::format("{}:", kItemClass), slab_lines(), totals);
    append_stat(reply, "active_slabs", std::uint64_t{1});
    append_stat(reply, "total_malloced", totals.store.segment_bytes);
    reply.append(kEnd);
}

void report_sizes(Statistics&, base::UnixSeconds, std::string& reply) {
    append_stat(reply, "sizes_status", "disabled");
    reply.append(kEnd);
}

/// Connections belong to their reactors, which are not stopped to be asked about them.
void report_connections(Statistics&, base::UnixSeconds, std::string& reply) { reply.append(kEnd); }

struct Topic {
    std::string_view name;
    bool may_be_abbreviated;
    void (*report)(Statistics&, base::UnixSeconds, std::string&);
};

// The order decides what an ambiguous abbreviation means.
constexpr Topic kTopics[] = {
    {"reset", true, report_reset},       {"settings", true, report_settings},
    {"conns", true, report_connections}, {"items", false, report_items},
    {"slabs", false, report_slabs},      {"sizes", false, report_sizes},
};

/// Applies `operation(sum, figure)` to everything that only ever grows.
template <typename Operation>
void for_each_figure(ConnectionTotals& sums, const ConnectionTotals& figures,
                     Operation&& operation) noexcept {
    operation(sums.total, figures.total);
    operation(sums.rejected, figures.rejected);
    operation(sums.bytes_read, figures.bytes_read);
    operation(sums.bytes_written, figures.bytes_written);
    operation(sums.turns, figures.turns);
    operation(sums.yields, figures.yields);
}

void add(store::ShardStats& sum, const store::ShardStats& part) noexcept {
    static constexpr std::uint64_t store::ShardStats::* kMembers[] = {
        &store::ShardStats::items,
        &store::ShardStats::item_bytes,
        &store::ShardStats::total_items,
        &store::ShardStats::evictions,
        &store::ShardStats::evicted_unfetched,
        &store::ShardStats::evicted_active,
        &store::ShardStats::expired_unfetched,
        &store::ShardStats::reclaimed,
        &store::ShardStats::crawler_reclaimed,
        &store::ShardStats::moved_items,
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
}

}  // namespace

Statistics::Statistics(StatsProviders providers) : providers_(std::move(providers)) {}

void Statistics::report(std::string_view arguments, base::UnixSeconds now, std::string& reply) {
    const std::string_view name = protocol::next_key(arguments);
    if (name.empty()) return report_general(*this, now, reply);
    for (const Topic& topic : kTopics) {
        const bool named =
            topic.may_be_abbreviated ? topic.name.starts_with(name) : topic.name == name;
        if (named) return topic.report(*this, now, reply);
    }
    reply.append(protocol::replies::kError);
}

std::vector<Stat> Statistics::general(base::UnixSeconds now) {
    const StatTotals figures = totals(now);
    std::vector<Stat> stats;
    for (const StatLine& line : general_lines()) {
        stats.push_back({std::string(line.name), line.value(figures)});
    }
    return stats;
}

StatTotals Statistics::totals(base::UnixSeconds now) {
    StatTotals totals{.counters = sum_counters(),
                      .connections = sum_connections(),
                      .store = sum_shards(),
                      .shards = providers_.shards->size(),
                      .reactors = providers_.reactors,
                      .connections_max = providers_.connections_max,
                      .memory_limit = providers_.memory_limit,
                      .charged_bytes = providers_.shards->charged_bytes(),
                      .started_at = providers_.started_at,
                      .now = now};
    const std::lock_guard lock(baseline_mutex_);
    for (std::size_t i = 0; i < kCounters; ++i) totals.counters[i] -= counters_baseline_[i];
    for_each_figure(totals.connections, connections_baseline_,
                    [](std::uint64_t& sum, std::uint64_t baseline) { sum -= baseline; });
    return totals;
}

void Statistics::reset() {
    for (std::uint32_t shard = 0; shard < providers_.shards->size(); ++shard) {
        providers_.shards->lock(shard)->reset_stats();
    }
    const CounterValues counters = sum_counters();
    const ConnectionTotals connections = sum_connections();
    const std::lock_guard lock(baseline_mutex_);
    counters_baseline_ = counters;
    connections_baseline_ = connections;
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

ConnectionTotals Statistics::sum_connections() const noexcept {
    const auto read = [](const std::atomic<std::uint64_t>& value) {
        return value.load(std::memory_order_relaxed);
    };
    ConnectionTotals sums;
    for (const net::ConnectionCounters* counters : providers_.connections) {
        const ConnectionTotals part{.total = read(counters->total),
                                    .rejected = read(counters->rejected),
                                    .bytes_read = read(counters->bytes_read),
                                    .bytes_written = read(counters->bytes_written),
                                    .turns = read(counters->turns),
                                    .yields = read(counters->yields)};
        for_each_figure(sums, part,
                        [](std::uint64_t& sum, std::uint64_t figure) { sum += figure; });
        sums.current += read(counters->current);
        sums.buffer_bytes += read(counters->buffer_bytes);
    }
    return sums;
}

store::ShardStats Statistics::sum_shards() const noexcept {
    store::ShardStats sum;
    for (std::uint32_t shard = 0; shard < providers_.shards->size(); ++shard) {
        add(sum, providers_.shards->lock(shard)->stats());
    }
    return sum;
}

}  // namespace shardmill::engine
