#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/hash.h"
#include "store/shard_set.h"

namespace shardmill::store {

inline constexpr std::uint32_t kStart = 1'700'000'000;  // unix seconds

inline HashedKey hashed(std::string_view key) { return {key, base::hash_key(key)}; }

/// One shard over a pool of its own.
class ShardTest : public testing::Test {
 protected:
    static SegmentPool::Config pool_config(std::uint64_t bytes) {
        return {bytes, 64u << 10, 1u << 20};
    }

    void make(std::uint64_t bytes, bool evict = true) {
        shard_.reset();
        pool_ = std::make_unique<SegmentPool>(pool_config(bytes));
        shard_ = std::make_unique<Shard>(0, *pool_, ShardConfig{bytes, evict});
    }
    void SetUp() override { make(16u << 20); }

    std::expected<Handle, StoreError> set(std::string_view key, std::string_view value,
                                          std::uint32_t exptime = 0, std::uint32_t flags = 0) {
        const auto existing = shard_->find(hashed(key), now_);
        return shard_->put(
            {.key = hashed(key), .value_head = value, .client_flags = flags, .exptime = exptime},
            existing ? &*existing : nullptr, now_);
    }
    std::optional<std::string> get(std::string_view key) {
        const auto handle = shard_->find(hashed(key), now_);
        if (!handle) return std::nullopt;
        shard_->bump(*handle, now_);
        return std::string(handle->view.value);
    }
    bool erase(std::string_view key) {
        const auto handle = shard_->find(hashed(key), now_);
        if (handle) shard_->erase(*handle);
        return handle.has_value();
    }
    /// What a scan of a cut sees, failing on an item seen twice.
    static std::map<std::string, std::string> contents(const ShardCut& cut, bool claim = true) {
        std::map<std::string, std::string> seen;
        for (const PinnedSegment& segment : cut.segments) {
            if (claim && !segment.claim()) continue;
            visit_items(segment, cut.now, [&](const ItemView& item) {
                EXPECT_TRUE(seen.emplace(item.key, item.value).second) << item.key << " seen twice";
            });
        }
        return seen;
    }
    void release(const ShardCut& cut) {
        for (const PinnedSegment& segment : cut.segments) shard_->release_cut(segment);
    }

    std::uint32_t now_ = kStart;
    std::unique_ptr<SegmentPool> pool_;
    std::unique_ptr<Shard> shard_;
};

}  // namespace shardmill::store
