#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/loader.h"
#include "snapshot/item.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// Puts items of a snapshot into the shards, a batch at a time. One per thread that loads.
class ItemFiller {
 public:
    static constexpr std::size_t kBatch = 1024;

    ItemFiller(store::ShardSet& shards, const LoadGate* gate, LoadProgress& progress);

    /// At most kBatch items.
    void store(std::span<const snapshot::Item> items, base::UnixSeconds now);

 private:
    void sort_by_shard(std::span<const snapshot::Item> items);
    void store_on_shard(std::span<const snapshot::Item> items, std::size_t begin, std::size_t end,
                        base::UnixSeconds now);
    void store_large(const snapshot::Item& item, std::uint64_t hash, base::UnixSeconds now);
    bool is_wanted(store::Shard& shard, const store::HashedKey& key, base::UnixSeconds now);

    store::ShardSet& shards_;
    const LoadGate* const gate_;
    LoadProgress& progress_;
    std::array<std::uint64_t, kBatch> hashes_;  // by place in the batch
    std::array<std::uint16_t, kBatch> order_;   // places, by shard
    std::vector<std::uint32_t> ends_;           // by shard: where its places end in `order_`
};

}  // namespace shardmill::engine
