#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "replay/trace.h"

namespace shardmill::bench {

/// What a replay has seen so far.
struct ReplayCounts {
    std::uint64_t gets = 0;
    std::uint64_t misses = 0;
    std::uint64_t refused = 0;         // values that could not be stored
    std::uint64_t inserted_bytes = 0;  // values stored
};

/// Something a trace can be replayed against.
class ReplayCache {
 public:
    virtual ~ReplayCache() = default;

    /// Carries out the requests in order; they are few and on different objects. A get that misses
    /// is followed by a set. Throws std::runtime_error when the cache is gone.
    virtual void replay(std::span<const TraceRequest> requests, ReplayCounts& counts) = 0;

    /// One line of what the cache itself has to tell.
    virtual std::string describe() { return {}; }
};

struct DirectOptions {
    std::uint64_t memory_limit = 64u << 20;   // bytes, -m
    std::uint32_t reactors = 1;               // as -t: decides about the number of shards
    std::uint32_t shards = 0;                 // as -o shards
    std::uint64_t item_bytes_max = 1u << 20;  // bytes, -I
    double hit_weight = 0;                    // see store::ShardConfig
};

/// The store itself, without a server around it, on the trace's clock.
std::unique_ptr<ReplayCache> open_direct(const DirectOptions& options);

/// A server that speaks the text protocol at 127.0.0.1.
std::unique_ptr<ReplayCache> open_server(std::uint16_t port);

}  // namespace shardmill::bench
