// Micro benches of the store: look-ups warm and cold, stores, and the walk a scan makes. One shard,
// one thread.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "store/shard.h"

namespace shardmill::store {
namespace {

constexpr std::uint32_t kNow = 1'700'000'000;
constexpr std::size_t kKeyBytes = 24;

struct Filled {
    explicit Filled(std::size_t items)
        : pool({1u << 30, 1u << 20, 1u << 20}), shard(0, pool, {1u << 30, true}) {
        keys.reserve(items);
        for (std::size_t i = 0; i < items; ++i) keys.push_back(fmt::format("key:{:020}", i));
        for (const std::string& key : keys) put(key);
    }
    static HashedKey hashed(const std::string& key) { return {key, base::hash_key(key)}; }
    void put(const std::string& key) {
        const HashedKey hashed_key = hashed(key);
        const auto existing = shard.find(hashed_key, kNow);
        const auto stored = shard.put({.key = hashed_key, .value_head = value},
                                      existing ? &*existing : nullptr, kNow);
        SHARDMILL_ASSERT(stored.has_value());
    }

    const std::string value = std::string(100, 'v');
    SegmentPool pool;
    Shard shard;
    std::vector<std::string> keys;
};

Filled& filled(std::size_t items) {
    static std::size_t present = 0;
    static std::unique_ptr<Filled> store;
    if (present != items) {
        store.reset();
        store = std::make_unique<Filled>(items);
        present = items;
    }
    return *store;
}

std::vector<std::array<char, kKeyBytes>> random_requests(const Filled& store) {
    std::mt19937_64 random{1};
    std::vector<std::array<char, kKeyBytes>> requests(1 << 18);
    for (auto& request : requests) {
        std::ranges::copy(store.keys[random() % store.keys.size()], request.begin());
    }
    return requests;
}

/// Look-ups in random order, `batch` prefetched at a time as a turn does.
void find(benchmark::State& state) {
    Filled& store = filled(static_cast<std::size_t>(state.range(0)));
    const auto batch = static_cast<std::size_t>(state.range(1));
    // The keys of requests lie in order in a receive buffer: looking them up here must not cost a
    // miss of its own.
    const std::vector<std::array<char, kKeyBytes>> requests = random_requests(store);
    std::size_t next = 0;
    std::vector<HashedKey> keys(batch);
    for (auto _ : state) {
        for (HashedKey& key : keys) {
            const auto& request = requests[next++ % requests.size()];
            const std::string_view text(request.data(), request.size());
            key = {text, base::hash_key(text)};
            store.shard.prefetch_index(key.hash);
        }
        for (const HashedKey& key : keys) store.shard.prefetch_item(key.hash);
        for (const HashedKey& key : keys) {
            const auto handle = store.shard.find(key, kNow);
            store.shard.bump(*handle, kNow);
            benchmark::DoNotOptimize(handle->view.value.data());
        }
    }
    state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(find)
    ->Args({1000, 16})
    ->Args({1'000'000, 1})
    ->Args({1'000'000, 16})
    ->Args({1'000'000, 64});

void put_same_size(benchmark::State& state) {
    Filled& store = filled(static_cast<std::size_t>(state.range(0)));
    std::mt19937_64 random{1};
    for (auto _ : state) store.put(store.keys[random() % store.keys.size()]);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(put_same_size)->Arg(1000)->Arg(1'000'000);

void put_new(benchmark::State& state) {
    Filled store(0);
    std::size_t next = 0;
    for (auto _ : state) store.put(fmt::format("new:{:020}", next++));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(put_new);

void scan(benchmark::State& state) {
    Filled& store = filled(1'000'000);
    std::uint64_t bytes = 0;
    for (auto _ : state) {
        const ShardCut cut = store.shard.take_cut(kNow, std::make_shared<CutState>());
        for (const PinnedSegment& segment : cut.segments) {
            SHARDMILL_ASSERT(segment.claim());
            visit_items(segment, kNow, [&](const ItemView& item) { bytes += item.value.size(); });
            store.shard.release_cut(segment);
        }
    }
    benchmark::DoNotOptimize(bytes);
    state.SetItemsProcessed(state.iterations() * 1'000'000);
}
BENCHMARK(scan)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace shardmill::store

BENCHMARK_MAIN();
