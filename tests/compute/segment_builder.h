#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "store/cut.h"

namespace shardmill::compute::test {

struct TestItem {
    std::string key;
    std::string value;
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;
    std::uint32_t header_bits = 0;
};

/// Writes items one behind the other as a shard's log has them. The segment is in memory of exactly
/// its size, so that a sanitizer sees any read beyond it.
class SegmentBuilder {
 public:
    /// Returns the item's offset.
    std::uint32_t add(const TestItem& item) {
        using Header = store::ItemHeader;
        const auto offset = static_cast<std::uint32_t>(bytes_.size());
        const auto value_bytes = static_cast<std::uint32_t>(item.value.size());
        const bool is_long = value_bytes >= Header::kLongValue;
        std::uint32_t word = static_cast<std::uint32_t>(item.key.size()) | item.header_bits;
        word |= (is_long ? Header::kLongValue : value_bytes) << Header::kValueShift;
        if (item.exptime != 0) word |= Header::kHasExptime;
        if (item.client_flags != 0) word |= Header::kHasFlags;
        put(word);
        if (is_long) put(value_bytes);
        if (item.exptime != 0) put(item.exptime);
        if (item.client_flags != 0) put(item.client_flags);
        bytes_ += item.key;
        bytes_ += item.value;
        bytes_.resize(store::round_item(bytes_.size()));
        return offset;
    }

    /// The item at the offset died before the cut without a mark in the log.
    void note_dead(std::uint32_t offset) { dead_.push_back(offset); }

    /// Valid as long as the builder, which must not be added to any more.
    store::PinnedSegment pin() {
        words_.assign(bytes_.size() / 4, 0);
        if (!bytes_.empty()) std::memcpy(words_.data(), bytes_.data(), bytes_.size());
        store::PinnedSegment segment;
        segment.bytes = static_cast<std::uint32_t>(bytes_.size());
        segment.data = reinterpret_cast<const char*>(words_.data());
        segment.sequence = 7;
        segment.dead = dead_;
        return segment;
    }

 private:
    void put(std::uint32_t word) {
        bytes_.append(reinterpret_cast<const char*>(&word), sizeof word);
    }

    std::string bytes_;
    std::vector<std::uint32_t> words_;
    std::vector<std::uint32_t> dead_;
};

}  // namespace shardmill::compute::test
