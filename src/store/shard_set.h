#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "store/shard.h"
#include "store/shard_lock.h"

namespace shardmill::store {

struct StoreConfig {
    std::uint64_t memory_limit = 64u << 20;  // bytes, -m: segments and index of all shards together
    std::uint32_t shards = 0;                // power of two; 0: about four per reactor, none under 16 MiB
    std::uint32_t reactors = 4;
    std::uint64_t item_bytes_max = 1u << 20;  // -I
    bool evict = true;                        // false: -M
};

/// All shards of a server with their locks. The object is shared by all reactors.
class ShardSet {
   public:
    /// Throws std::bad_alloc or std::system_error when the address space cannot be had; only at start.
    explicit ShardSet(const StoreConfig& config);
    ~ShardSet();

    std::uint32_t size() const noexcept;
    std::uint32_t shard_of(std::uint64_t hash) const noexcept;

    /// The shard under its lock. One at a time per thread; held briefly; never across a system call.
    class Guard;
    Guard lock(std::uint32_t shard, std::uint32_t now) noexcept;

    /// For prefetching only.
    const Shard& peek(std::uint32_t shard) const noexcept;

    /// A consistent cut over all shards: from this call on every shard is cut before anything else happens under its
    /// lock, so whatever a client saw happen before is in and whatever follows is out. Collect every shard's part
    /// with `collect_cut` (any reactor, in small steps); the next cut waits for that.
    std::shared_ptr<CutState> begin_cut();
    ShardCut collect_cut(std::uint32_t shard, std::uint32_t now);

    /// Gives back memory that shards have freed (madvise), outside all locks.
    void release_freed_memory() noexcept;
};

}  // namespace shardmill::store
