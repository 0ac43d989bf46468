#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/shard_set.h"

namespace shardmill::kernel_check {

inline constexpr std::uint32_t kNow = 1'700'000'000;

/// An item to be stored.
struct SampleItem {
    std::string key;
    std::string value;
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;
};

/// Items as a server holds them, cut for a scan. Memory of their segments is not the heap's.
class StoredItems {
 public:
    explicit StoredItems(const std::vector<SampleItem>& items);
    ~StoredItems();
    StoredItems(const StoredItems&) = delete;
    StoredItems& operator=(const StoredItems&) = delete;

    const std::vector<store::PinnedSegment>& segments() const noexcept { return cut_.segments; }
    const store::ShardSet& shards() const noexcept { return shards_; }
    std::size_t size() const noexcept { return size_; }

 private:
    store::ShardSet shards_;
    store::ShardCut cut_;
    std::size_t size_;
};

/// What caches are full of: JSON documents with words, numbers, places, times; now and then plain
/// text and numbers. Keys `<prefix>:<n>:..`. The same for the same arguments.
std::vector<SampleItem> usual_items(const std::string& prefix, std::size_t count);

/// One item for each line of a file. Throws std::runtime_error with what is wrong.
std::vector<SampleItem> items_of_lines(const std::string& path);

/// What nobody expects: empty and huge values, keys of all bytes, broken and deep JSON, numbers out
/// of range, bytes that are no UTF-8.
std::vector<SampleItem> hostile_items();

}  // namespace shardmill::kernel_check
