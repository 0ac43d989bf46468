#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "config/config.h"
#include "engine/counters.h"
#include "engine/runtime_settings.h"
#include "store/shard.h"

namespace shardmill::engine {

using CounterValues = std::array<std::uint64_t, kCounters>;
using ServerValues = std::array<std::uint64_t, kServerCounters>;

/// net::ConnectionCounters of all reactors, summed, and net::ListenCounters: see kConnectionFigures
/// in stats.cc. As in memcached, sockets that are listened on count as connections, but for one of
/// the current ones.
struct ConnectionTotals {
    std::uint64_t current = 0;
    std::uint64_t structures = 0;
    std::uint64_t idle_kicks = 0;
    std::uint64_t accepting = 1;
    std::uint64_t listen_disabled = 0;
    std::uint64_t listen_disabled_us = 0;
    std::uint64_t tls_new_sessions = 0;
    std::uint64_t tls_handshake_errors = 0;
    std::uint64_t tls_proto_errors = 0;
    std::uint64_t certs_age_s = 0;
    std::uint64_t udp_requests = 0;
    std::uint64_t udp_dropped = 0;
    std::uint64_t udp_refused = 0;
    std::uint64_t total = 0;
    std::uint64_t rejected = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;
    std::uint64_t turns = 0;
    std::uint64_t yields = 0;
    std::uint64_t buffer_bytes = 0;
    std::uint64_t idle_buffer_bytes = 0;
};

/// The whole server's figures at about one moment, since the start or the last `stats reset`.
struct StatTotals {
    const config::Config* config = nullptr;
    const RuntimeSettings* settings = nullptr;
    CounterValues counters{};
    ServerValues server{};
    ConnectionTotals connections;
    store::ShardStats store;  // of all shards
    std::uint64_t turn_p99_us = 0;
    std::uint64_t turn_max_us = 0;
    std::uint64_t lock_contended = 0;
    std::uint64_t lock_wait_us = 0;
    std::uint64_t log_watchers = 0;
    std::uint64_t lru_crawler_running = 0;
    std::uint32_t tail_age = 0;  // seconds: the oldest last access at the end of any shard's queues
    std::uint32_t shards = 0;
    std::uint64_t memory_limit = 0;  // bytes
    std::uint64_t budget = 0;        // of those, for items and index
    std::uint64_t charged_bytes = 0;
    base::UnixSeconds started_at = 0;
    base::UnixSeconds now = 0;

    std::uint64_t count(Counter counter) const noexcept {
        return counters[static_cast<std::size_t>(counter)];
    }
    std::uint64_t count(ServerCounter counter) const noexcept {
        return server[static_cast<std::size_t>(counter)];
    }
};

}  // namespace shardmill::engine
