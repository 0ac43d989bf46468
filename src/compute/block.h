#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "compute/scratch.h"
#include "compute/value.h"
#include "store/item.h"

namespace shardmill::compute {

/// Items are looked at this many at a time: enough to spread the cost of a call, few enough that a
/// block's columns stay in the first-level caches.
inline constexpr std::uint32_t kBlockItems = 256;

/// A block is closed early when its values are this long together, so that they stay in the
/// second-level cache.
inline constexpr std::uint64_t kBlockValueBytes = 128u << 10;

using Column = std::array<Value, kBlockItems>;
using TruthColumn = std::array<Truth, kBlockItems>;

/// Items side by side with the JSON fields read from them. Views point into the pinned segment and
/// the scratch: valid until the block is cleared.
struct Block {
    /// `host` bounds the scratch.
    Block(kernel::Host host, std::size_t field_count)
        : fields(field_count), scratch(std::make_unique<Scratch>(host)) {}

    std::array<kernel::Item, kBlockItems> items;
    std::array<store::ItemHeader, kBlockItems> headers;  // of the items
    std::uint32_t count = 0;
    std::uint32_t items_max = kBlockItems;  // less where an item takes long
    std::uint32_t now = 0;
    bool access_known = false;  // the items have what the index knows of their use
    std::uint64_t key_bytes = 0;
    std::uint64_t value_bytes = 0;
    std::vector<Column>
        fields;  // one for each path of the program; filled after the values are read

    const std::unique_ptr<Scratch> scratch;

    bool full() const noexcept { return count >= items_max || value_bytes >= kBlockValueBytes; }
    void clear() noexcept {
        count = 0;
        key_bytes = 0;
        value_bytes = 0;
        access_known = false;
        scratch->clear();
    }

    /// Keeps the items for which `keep(index)`; their order stays. `with_fields`: the columns move
    /// along.
    template <typename Keep>
    void compact(bool with_fields, Keep&& keep) {
        std::uint32_t kept = 0;
        for (std::uint32_t index = 0; index < count; ++index) {
            if (!keep(index)) continue;
            if (kept != index) {
                items[kept] = items[index];
                headers[kept] = headers[index];
                if (with_fields) {
                    for (Column& column : fields) column[kept] = column[index];
                }
            }
            ++kept;
        }
        count = kept;
    }
};

}  // namespace shardmill::compute
