// The store driven directly: a simulator that is the real code.

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "replay/cache.h"
#include "store/shard_set.h"

namespace shardmill::bench {
namespace {

constexpr std::uint32_t kEpoch = 1'700'000'000;   // unix seconds at which traces begin
constexpr std::uint32_t kHousekeepingEvery = 64;  // requests

class DirectCache final : public ReplayCache {
 public:
    explicit DirectCache(const DirectOptions& options)
        : options_(options),
          shards_({.memory_limit = options.memory_limit,
                   .shards = options.shards,
                   .reactors = options.reactors,
                   .item_bytes_max = options.item_bytes_max,
                   .hit_weight = options.hit_weight}) {}

    void replay(std::span<const TraceRequest> requests, ReplayCounts& counts) override {
        for (const TraceRequest& request : requests) run(request, counts);
    }

    std::string describe() override {
        store::ShardStats sum;
        for (std::uint32_t i = 0; i < shards_.size(); ++i) {
            const store::ShardStats part = shards_.lock(i)->stats();
            sum.items += part.items;
            sum.item_bytes += part.item_bytes;
            sum.evictions += part.evictions;
            sum.moved_bytes += part.moved_bytes;
            sum.segment_bytes += part.segment_bytes;
            sum.index_bytes += part.index_bytes;
        }
        return fmt::format(
            "items {} live_bytes {} segment_bytes {} index_bytes {} evictions {} moved_bytes {} "
            "charged {}",
            sum.items, sum.item_bytes, sum.segment_bytes, sum.index_bytes, sum.evictions,
            sum.moved_bytes, shards_.charged_bytes());
    }

 private:
    void run(const TraceRequest& request, ReplayCounts& counts) {
        const std::uint32_t now = kEpoch + request.time_s;
        const std::string key = trace_key(request.id);
        const store::HashedKey hashed{key, base::hash_key(key)};
        const std::uint32_t number = shards_.shard_of(hashed.hash);
        {
            const auto shard = shards_.lock(number);
            const auto found = shard->find(hashed, now);
            switch (request.op) {
                case TraceRequest::Op::Delete:
                    if (found) shard->erase(*found);
                    break;
                case TraceRequest::Op::Get:
                    ++counts.gets;
                    if (found) {
                        shard->bump(*found, now);
                        break;
                    }
                    ++counts.misses;
                    [[fallthrough]];
                case TraceRequest::Op::Set:
                    store(*shard, request, hashed, found ? &*found : nullptr, now, counts);
            }
        }
        if (++requests_ % kHousekeepingEvery == 0) {
            shards_.lock(next_)->housekeep(now);
            next_ = (next_ + 1) % shards_.size();
            shards_.release_freed_memory();
        }
    }

    void store(store::Shard& shard, const TraceRequest& request, const store::HashedKey& key,
               const store::Handle* existing, std::uint32_t now, ReplayCounts& counts) {
        value_.resize(std::max<std::size_t>(value_.size(), request.value_bytes), 'v');
        const bool fits = request.value_bytes + key.key.size() + 59 <= options_.item_bytes_max;
        const bool stored =
            fits && shard
                        .put({.key = key,
                              .value_head = std::string_view(value_).substr(0, request.value_bytes),
                              .exptime = request.ttl_s == 0 ? 0 : now + request.ttl_s},
                             existing, now)
                        .has_value();
        if (stored) {
            counts.inserted_bytes += request.value_bytes;
            return;
        }
        ++counts.refused;
        if (existing != nullptr) shard.erase(*existing);
    }

    const DirectOptions options_;
    store::ShardSet shards_;
    std::string value_;
    std::uint64_t requests_ = 0;
    std::uint32_t next_ = 0;
};

}  // namespace

std::unique_ptr<ReplayCache> open_direct(const DirectOptions& options) {
    return std::make_unique<DirectCache>(options);
}

}  // namespace shardmill::bench
