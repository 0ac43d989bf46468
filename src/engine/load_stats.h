#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "runtime/turn_histogram.h"
#include "store/shard_lock.h"

namespace shardmill::engine {

/// A reactor's turns by their length, since the start or the last `stats reset`.
struct TurnCounts {
    std::array<std::uint64_t, runtime::TurnHistogram::kBuckets> counts{};
    std::uint64_t busy_ns = 0;

    static TurnCounts of(const runtime::TurnHistogram& histogram) noexcept;
    void operator+=(const TurnCounts& other) noexcept;
    void operator-=(const TurnCounts& earlier) noexcept;

    std::uint64_t turns() const noexcept;
    /// Microseconds that this share (0 to 1) of the turns stayed under; 0: there were none.
    std::uint64_t under_us(double share) const noexcept;
};

/// The lines of `stats turns`, a group for each reactor.
void append_turns(std::string& reply, std::span<const TurnCounts> reactors);
/// The lines of `stats locks`: the sums, then the shards that somebody had to wait for.
void append_locks(std::string& reply, std::span<const store::LockWaits> shards);

store::LockWaits sum_of(std::span<const store::LockWaits> shards) noexcept;

}  // namespace shardmill::engine
