#include "engine/item_filler.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/assert.h"
#include "base/hash.h"

namespace shardmill::engine {
namespace {

// Bounds of one stay under a shard's lock.
constexpr std::size_t kItemsPerLock = 64;
constexpr std::size_t kBytesPerLock = 64 << 10;
/// Larger values get space of their own and are copied outside the lock.
constexpr std::size_t kLargeValue = 256 << 10;
/// How far ahead index lines are asked for, in items.
constexpr std::size_t kAhead = 16;

store::NewItem new_item(const snapshot::Item& item, const store::HashedKey& key) {
    return {.key = key,
            .value_head = item.value,
            .value_tail = {},
            .client_flags = item.client_flags,
            .exptime = item.exptime,
            .cas = item.cas,
            .header_bits = item.header_bits};
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t count) noexcept {
    if (count != 0) counter.fetch_add(count, std::memory_order_relaxed);
}

}  // namespace

ItemFiller::ItemFiller(store::ShardSet& shards, const LoadGate* gate, LoadProgress& progress)
    : shards_(shards), gate_(gate), progress_(progress), ends_(shards.size()) {}

/// Stable counting sort; hashes on the way.
void ItemFiller::sort_by_shard(std::span<const snapshot::Item> items) {
    std::ranges::fill(ends_, 0);
    for (std::size_t place = 0; place < items.size(); ++place) {
        hashes_[place] = base::hash_key(items[place].key);
        ++ends_[shards_.shard_of(hashes_[place])];
    }
    std::exclusive_scan(ends_.begin(), ends_.end(), ends_.begin(), 0u);
    for (std::size_t place = 0; place < items.size(); ++place) {
        order_[ends_[shards_.shard_of(hashes_[place])]++] = static_cast<std::uint16_t>(place);
    }
}

void ItemFiller::store(std::span<const snapshot::Item> items, base::UnixSeconds now) {
    SHARDMILL_ASSERT(items.size() <= kBatch);
    sort_by_shard(items);
    std::size_t begin = 0;
    for (const std::uint32_t end : ends_) {
        if (begin != end) store_on_shard(items, begin, end, now);
        begin = end;
    }
}

/// Places [begin, end) of `order_`, all of one shard.
void ItemFiller::store_on_shard(std::span<const snapshot::Item> items, std::size_t begin,
                                std::size_t end, base::UnixSeconds now) {
    const std::uint32_t number = shards_.shard_of(hashes_[order_[begin]]);
    std::uint64_t loaded = 0;
    std::uint64_t expired = 0;
    std::uint64_t superseded = 0;
    std::uint64_t not_stored = 0;
    while (begin != end) {
        if (const std::uint16_t place = order_[begin]; items[place].value.size() > kLargeValue) {
            ++begin;
            store_large(items[place], hashes_[place], now);
            continue;
        }
        const auto shard = shards_.lock(number);
        std::size_t bytes = 0;
        for (std::size_t count = 0; begin != end && count < kItemsPerLock && bytes < kBytesPerLock;
             ++count, ++begin) {
            if (begin + kAhead < end) shard->prefetch_index(hashes_[order_[begin + kAhead]]);
            const snapshot::Item& item = items[order_[begin]];
            if (item.value.size() > kLargeValue) break;
            if (item.exptime != 0 && item.exptime <= now) {
                ++expired;
                continue;
            }
            const store::HashedKey key{item.key, hashes_[order_[begin]]};
            if (!is_wanted(*shard, key, now)) {
                ++superseded;
                continue;
            }
            ++(shard->put(new_item(item, key), nullptr, now) ? loaded : not_stored);
            bytes += item.value.size();
        }
    }
    add(progress_.loaded, loaded);
    add(progress_.expired, expired);
    add(progress_.superseded, superseded);
    add(progress_.not_stored, not_stored);
}

/// Under the shard's lock.
bool ItemFiller::is_wanted(store::Shard& shard, const store::HashedKey& key,
                           base::UnixSeconds now) {
    if (gate_ != nullptr && (gate_->changed(key.hash) || gate_->flushed(now))) return false;
    return !shard.find(key, now);
}

void ItemFiller::store_large(const snapshot::Item& item, std::uint64_t hash,
                             base::UnixSeconds now) {
    if (item.exptime != 0 && item.exptime <= now) return add(progress_.expired, 1);
    const store::HashedKey key{item.key, hash};
    const std::uint32_t number = shards_.shard_of(hash);
    const auto reservation =
        shards_.lock(number)->reserve(static_cast<std::uint32_t>(item.key.size()),
                                      static_cast<std::uint32_t>(item.value.size()), now);
    if (!reservation) return add(progress_.not_stored, 1);
    std::memcpy(reservation->value, item.value.data(), item.value.size());
    const auto shard = shards_.lock(number);
    if (!is_wanted(*shard, key, now)) {
        shard->abandon(*reservation);
        return add(progress_.superseded, 1);
    }
    const auto stored = shard->commit(*reservation, new_item(item, key), nullptr, now);
    add(stored ? progress_.loaded : progress_.not_stored, 1);
}

}  // namespace shardmill::engine
