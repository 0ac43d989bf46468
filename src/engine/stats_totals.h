#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "engine/counters.h"
#include "store/shard.h"

namespace shardmill::engine {

using CounterValues = std::array<std::uint64_t, kCounters>;

/// net::ConnectionCounters of all reactors, summed.
struct ConnectionTotals {
    std::uint64_t current = 0;
    std::uint64_t total = 0;
    std::uint64_t rejected = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;
    std::uint64_t turns = 0;
    std::uint64_t yields = 0;
    std::uint64_t buffer_bytes = 0;
};

/// The whole server's figures at about one moment, since the start or the last `stats reset`.
struct StatTotals {
    CounterValues counters{};
    ConnectionTotals connections;
    store::ShardStats store;  // of all shards
    std::uint32_t shards = 0;
    std::uint32_t reactors = 0;
    std::uint32_t connections_max = 0;
    std::uint64_t memory_limit = 0;  // bytes
    std::uint64_t charged_bytes = 0;
    base::UnixSeconds started_at = 0;
    base::UnixSeconds now = 0;

    std::uint64_t count(Counter counter) const noexcept {
        return counters[static_cast<std::size_t>(counter)];
    }
};

}  // namespace shardmill::engine
