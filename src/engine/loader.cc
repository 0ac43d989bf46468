#include "engine/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "snapshot/reader.h"

namespace shardmill::engine {
namespace {

using config::OnBrokenSnapshot;

/// Runs `work(file)` for all files on several threads; the first error counts.
template <typename Work>
snapshot::Result<void> for_each_file(std::uint32_t files, std::uint32_t threads, const Work& work) {
    std::atomic<std::uint32_t> next{0};
    std::mutex mutex;
    snapshot::Result<void> result;
    const auto loop = [&] {
        for (;;) {
            const std::uint32_t file = next.fetch_add(1);
            if (file >= files) return;
            if (auto done = work(file); !done) {
                const std::lock_guard lock(mutex);
                if (result) result = std::move(done);
                next = files;
            }
        }
    };
    {
        std::vector<std::jthread> others;
        for (std::uint32_t n = 1; n < std::min(files, threads); ++n) others.emplace_back(loop);
        loop();
    }
    return result;
}

/// Stores what is handed over and counts. Shared by the threads that read.
class Filler {
 public:
    Filler(store::ShardSet& shards, base::UnixSeconds now) : shards_(shards), now_(now) {}

    void store(const snapshot::Item& item) {
        if (item.exptime != 0 && item.exptime <= now_) {
            expired_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        const store::HashedKey key{item.key, base::hash_key(item.key)};
        const auto shard = shards_.lock(shards_.shard_of(key.hash));
        const auto existing = shard->find(key, now_);
        const auto put = shard->put({.key = key,
                                     .value_head = item.value,
                                     .value_tail = {},
                                     .client_flags = item.client_flags,
                                     .exptime = item.exptime,
                                     .cas = item.cas,
                                     .header_bits = item.header_bits},
                                    existing ? &*existing : nullptr, now_);
        (put ? items_ : not_stored_).fetch_add(1, std::memory_order_relaxed);
    }

    void report(LoadReport& report) const {
        report.items = items_;
        report.expired = expired_;
        report.not_stored = not_stored_;
    }

 private:
    store::ShardSet& shards_;
    const base::UnixSeconds now_;
    std::atomic<std::uint64_t> items_{0};
    std::atomic<std::uint64_t> expired_{0};
    std::atomic<std::uint64_t> not_stored_{0};
};

snapshot::Result<LoadReport> load_one(store::ShardSet& shards, const snapshot::Catalog& catalog,
                                      const std::string& name, const LoadOptions& options,
                                      bool& halfway) {
    const std::uint64_t started_ns = base::monotonic_ns();
    auto opened = snapshot::SnapshotReader::open(catalog.fs(), catalog.directory(), name);
    if (!opened) return std::unexpected(std::move(opened.error()));
    const snapshot::SnapshotReader& reader = **opened;
    if (options.on_broken != OnBrokenSnapshot::Refuse) {
        // Going on with another one is possible only as long as nothing of this one was stored.
        auto checked =
            for_each_file(reader.files(), options.threads,
                          [&reader](std::uint32_t file) { return reader.check_file(file); });
        if (!checked) return std::unexpected(std::move(checked.error()));
    }
    Filler filler(shards, options.now);
    shards.skip_cas_to(reader.manifest().highest_cas);
    auto read = for_each_file(reader.files(), options.threads, [&](std::uint32_t file) {
        return reader.visit_file(file, [&filler](std::span<const snapshot::Item> items) {
            for (const snapshot::Item& item : items) filler.store(item);
            return true;
        });
    });
    if (!read) {
        // Sound a moment ago: the disk is failing. Half of it is in the shards, so nothing else can
        // be loaded over it.
        halfway = true;
        return std::unexpected(std::move(read.error()));
    }
    LoadReport report{.name = name};
    filler.report(report);
    report.ms = (base::monotonic_ns() - started_ns) / 1'000'000;
    return report;
}

std::string what_to_do(const std::string& what) {
    return fmt::format(
        "{}; nothing was loaded. To start all the same, give -o snapshot_on_error=previous (the "
        "snapshot "
        "before it) or -o snapshot_on_error=empty, or restore the files",
        what);
}

/// What may be loaded, in the order of preference.
snapshot::Result<std::vector<std::string>> candidates(const snapshot::Catalog& catalog,
                                                      OnBrokenSnapshot on_broken) {
    auto names = catalog.load_candidates();
    if (names) {
        // Without being told to, nothing but the committed one.
        if (on_broken != OnBrokenSnapshot::Previous && names->size() > 1) names->resize(1);
        return names;
    }
    if (on_broken == OnBrokenSnapshot::Refuse) return names;
    base::log_error("{}", names.error().what);
    if (on_broken == OnBrokenSnapshot::Empty) return std::vector<std::string>{};
    return catalog.complete_snapshots();
}

}  // namespace

std::expected<std::optional<LoadReport>, std::string> load_snapshot(
    store::ShardSet& shards, const snapshot::Catalog& catalog, const LoadOptions& options) {
    const auto names = candidates(catalog, options.on_broken);
    if (!names) return std::unexpected(what_to_do(names.error().what));
    std::string last_problem;
    for (const std::string& name : *names) {
        bool halfway = false;
        auto report = load_one(shards, catalog, name, options, halfway);
        if (report) return std::move(*report);
        last_problem = std::move(report.error().what);
        base::log_error("snapshot {} cannot be loaded: {}", name, last_problem);
        if (halfway) return std::unexpected(what_to_do(last_problem));
    }
    if (last_problem.empty() || options.on_broken == OnBrokenSnapshot::Empty) return std::nullopt;
    return std::unexpected(what_to_do(last_problem));
}

}  // namespace shardmill::engine
