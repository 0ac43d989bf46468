// What the slowest operations of a shard cost: while its index grows, while a full shard makes
// room, while a limit is lowered and while everything expires. For each phase percentiles of the
// CPU time of one operation and of the work it did, which other programs cannot disturb.

#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "store/shard.h"

namespace shardmill::bench {
namespace {

constexpr std::uint32_t kStart = 1'700'000'000;

std::uint64_t thread_cpu_ns() noexcept {
    timespec now;
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

/// One figure of every operation of a phase.
class Samples {
 public:
    void add(std::uint64_t value) {
        values_.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(value, UINT32_MAX)));
    }
    std::string text() {
        std::ranges::sort(values_);
        const auto at = [&](double share) {
            return values_[static_cast<std::size_t>(share *
                                                    static_cast<double>(values_.size() - 1))];
        };
        return fmt::format("{:>8} {:>8} {:>8} {:>9}", at(0.5), at(0.99), at(0.9999),
                           values_.back());
    }

 private:
    std::vector<std::uint32_t> values_;
};

class Steps {
 public:
    Steps(std::uint64_t memory, std::uint32_t segment_bytes)
        : pool_({memory, segment_bytes, 1u << 20}), shard_(0, pool_, {.share_bytes = memory}) {}

    /// Calls `operation(i)` so many times and prints what one of them cost.
    template <typename Operation>
    void phase(const char* name, std::uint64_t operations, Operation&& operation) {
        Samples cpu_ns, items, slots, bytes;
        for (std::uint64_t i = 0; i < operations; ++i) {
            const store::ShardStats before = shard_.stats();
            const std::uint64_t start = thread_cpu_ns();
            operation(i);
            cpu_ns.add(thread_cpu_ns() - start);
            const store::ShardStats after = shard_.stats();
            items.add(after.reclaim_looks - before.reclaim_looks);
            slots.add(after.resize_looks - before.resize_looks);
            bytes.add(after.moved_bytes - before.moved_bytes);
            if (i % 16 == 0) pool_.release_freed_memory();
        }
        fmt::print("{} ({} operations)\n", name, operations);
        fmt::print("  CPU ns      {}\n", cpu_ns.text());
        fmt::print("  items       {}\n", items.text());
        fmt::print("  index slots {}\n", slots.text());
        fmt::print("  bytes moved {}\n", bytes.text());
    }

    bool put(std::uint64_t number, std::size_t value_bytes, std::uint32_t ttl = 0) {
        const std::string key = fmt::format("key:{:020}", number);
        const store::HashedKey hashed{key, base::hash_key(key)};
        value_.resize(std::max(value_.size(), value_bytes), 'v');
        const auto existing = shard_.find(hashed, now_);
        return shard_
            .put({.key = hashed,
                  .value_head = std::string_view(value_).substr(0, value_bytes),
                  .exptime = ttl == 0 ? 0 : now_ + ttl},
                 existing ? &*existing : nullptr, now_)
            .has_value();
    }
    void get(std::uint64_t number) {
        const std::string key = fmt::format("key:{:020}", number);
        const auto found = shard_.find({key, base::hash_key(key)}, now_);
        if (found) shard_.bump(*found, now_);
    }
    bool housekeep() { return shard_.housekeep(now_); }
    void later(std::uint32_t seconds) { now_ += seconds; }
    bool full() const { return shard_.stats().evictions != 0; }
    void set_limit(std::uint64_t bytes) { pool_.set_limit(bytes); }

 private:
    std::uint32_t now_ = kStart;
    std::string value_;
    store::SegmentPool pool_;
    store::Shard shard_;
};

void run(std::uint64_t memory, std::uint32_t segment_bytes) {
    fmt::print("one shard of {} MiB, segments of {} KiB{:>9} {:>8} {:>8} {:>9}\n", memory >> 20,
               segment_bytes >> 10, "p50", "p99", "p99.99", "max");
    Steps steps(memory, segment_bytes);
    const std::uint64_t fits = memory / 140;
    std::uint64_t next = 0;
    steps.phase("new keys, index growing", fits, [&](std::uint64_t) { steps.put(next++, 100); });
    steps.phase("new keys, evicting", fits / 2, [&](std::uint64_t) { steps.put(next++, 100); });
    std::mt19937_64 random{1};
    steps.phase("new keys and gets, evicting", fits, [&](std::uint64_t i) {
        i % 2 == 0 ? static_cast<void>(steps.put(next++, 100)) : steps.get(next - random() % fits);
    });
    std::lognormal_distribution<double> size(std::log(230.0), 1.7);
    steps.phase("new keys of all sizes, evicting", fits / 2, [&](std::uint64_t) {
        steps.put(next++, std::min<std::size_t>(static_cast<std::size_t>(size(random)), 200'000));
    });
    steps.phase("tiny keys into a full shard: the index grows", fits,
                [&](std::uint64_t) { steps.put(next++, 4); });
    steps.set_limit(memory / 2);
    steps.phase("housekeeping after the limit was halved", 20'000,
                [&](std::uint64_t) { steps.housekeep(); });
    steps.phase("new keys with a TTL, evicting", fits / 2,
                [&](std::uint64_t) { steps.put(next++, 100, 3600); });
    steps.later(4000);
    steps.phase("housekeeping after all have expired", 20'000,
                [&](std::uint64_t) { steps.housekeep(); });
}

}  // namespace
}  // namespace shardmill::bench

int main(int argc, char** argv) {
    CLI::App app{"What the slowest operations of a shard cost"};
    std::uint64_t memory_mib = 512;
    std::uint32_t segment_kib = 1024;
    app.add_option("--memory", memory_mib, "MiB")->capture_default_str();
    app.add_option("--segment", segment_kib, "KiB, a power of two")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    shardmill::bench::run(memory_mib << 20, segment_kib << 10);
}
