#include "engine/load_stats.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

using protocol::append_stat;
using runtime::TurnHistogram;

}  // namespace

TurnCounts TurnCounts::of(const TurnHistogram& histogram) noexcept {
    TurnCounts read;
    for (std::size_t i = 0; i < read.counts.size(); ++i) read.counts[i] = histogram.count(i);
    read.busy_ns = histogram.busy_ns();
    return read;
}

void TurnCounts::operator+=(const TurnCounts& other) noexcept {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    busy_ns += other.busy_ns;
}

void TurnCounts::operator-=(const TurnCounts& earlier) noexcept {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] -= earlier.counts[i];
    busy_ns -= earlier.busy_ns;
}

std::uint64_t TurnCounts::turns() const noexcept {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t TurnCounts::under_us(double share) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(turns())));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        seen += counts[i];
        if (counts[i] != 0 && seen >= wanted) return TurnHistogram::end_us(i);
    }
    return 0;
}

void append_turns(std::string& reply, std::span<const TurnCounts> reactors) {
    for (std::size_t number = 0; number < reactors.size(); ++number) {
        const TurnCounts& turns = reactors[number];
        const std::string prefix = fmt::format("reactor:{}:", number);
        append_stat(reply, prefix + "turns", turns.turns());
        append_stat(reply, prefix + "busy_us", turns.busy_ns / 1000);
        append_stat(reply, prefix + "p50_us", turns.under_us(0.5));
        append_stat(reply, prefix + "p99_us", turns.under_us(0.99));
        append_stat(reply, prefix + "p9999_us", turns.under_us(0.9999));
        append_stat(reply, prefix + "max_us", turns.under_us(1));
        for (std::size_t i = 0; i < turns.counts.size(); ++i) {
            if (turns.counts[i] == 0) continue;
            append_stat(reply, fmt::format("{}under_us:{}", prefix, TurnHistogram::end_us(i)),
                        turns.counts[i]);
        }
    }
}

store::LockWaits sum_of(std::span<const store::LockWaits> shards) noexcept {
    store::LockWaits sum;
    for (const store::LockWaits& waits : shards) {
        sum.contended += waits.contended;
        sum.wait_ns += waits.wait_ns;
    }
    return sum;
}

void append_locks(std::string& reply, std::span<const store::LockWaits> shards) {
    const store::LockWaits sum = sum_of(shards);
    append_stat(reply, "contended", sum.contended);
    append_stat(reply, "wait_us", sum.wait_ns / 1000);
    for (std::size_t number = 0; number < shards.size(); ++number) {
        if (shards[number].contended == 0) continue;
        const std::string prefix = fmt::format("shard:{}:", number);
        append_stat(reply, prefix + "contended", shards[number].contended);
        append_stat(reply, prefix + "wait_us", shards[number].wait_ns / 1000);
    }
}

}  // namespace shardmill::engine
