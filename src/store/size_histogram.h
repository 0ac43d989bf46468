#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "store/item.h"

namespace shardmill::store {

/// How many resident items there are of each size, in steps of 32 bytes, sizes rounded up. Sizes
/// are those that the owner has in mind (`item_overhead` and the parts), not those in the log. Kept
/// by a shard, under its lock. Counters are made in blocks, where there are items: should there be
/// no memory for a block, its items are not counted.
class SizeHistogram {
 public:
    static constexpr std::uint32_t kStep = 32;

    /// Of an item: `item_overhead`, key, value, and `flags_bytes` where it has client flags. Larger
    /// ones than `bytes_max` do not exist.
    struct Sizes {
        std::uint32_t item_overhead = 0;
        std::uint32_t flags_bytes = 0;
        std::uint64_t bytes_max = 0;
    };
    explicit SizeHistogram(const Sizes& sizes)
        : sizes_(sizes), blocks_(bucket_of(sizes.bytes_max) / kBlock + 1) {}

    void add(const ItemView& item) noexcept {
        const std::uint64_t bucket = bucket_of(bytes_of(item));
        if (bucket / kBlock >= blocks_.size()) return;
        std::unique_ptr<Block>& block = blocks_[bucket / kBlock];
        if (!block) block.reset(new (std::nothrow) Block{});
        if (!block) return;
        ++block->items;
        ++block->counts[bucket % kBlock];
    }
    void remove(const ItemView& item) noexcept {
        const std::uint64_t bucket = bucket_of(bytes_of(item));
        if (bucket / kBlock >= blocks_.size() || !blocks_[bucket / kBlock]) return;
        Block& block = *blocks_[bucket / kBlock];
        if (block.counts[bucket % kBlock] == 0) return;
        --block.items;
        --block.counts[bucket % kBlock];
    }

    /// Calls `visit(bytes, items)` for every size there is, from small to large.
    template <typename Visit>
    void visit(Visit&& visit) const {
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
            if (!blocks_[i] || blocks_[i]->items == 0) continue;
            for (std::size_t j = 0; j < kBlock; ++j) {
                if (blocks_[i]->counts[j] != 0)
                    visit((i * kBlock + j) * kStep, std::uint64_t{blocks_[i]->counts[j]});
            }
        }
    }

 private:
    static constexpr std::size_t kBlock = 1024;
    struct Block {
        std::uint64_t items = 0;
        std::array<std::uint32_t, kBlock> counts{};
    };

    std::uint64_t bytes_of(const ItemView& item) const noexcept {
        return sizes_.item_overhead + item.key.size() + item.value.size() +
               (item.client_flags != 0 ? sizes_.flags_bytes : 0);
    }
    static constexpr std::uint64_t bucket_of(std::uint64_t bytes) noexcept {
        return (bytes + kStep - 1) / kStep;
    }

    const Sizes sizes_;
    std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace shardmill::store
