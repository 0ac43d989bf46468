#include "engine/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/item_filler.h"
#include "snapshot/reader.h"
#include "snapshot/side_by_side.h"

namespace shardmill::engine {
namespace {

using config::OnBrokenSnapshot;

/// Files of one thread that are read side by side; each needs memory for a block.
constexpr std::uint32_t kFilesSideBySide = 8;

/// Runs `work(thread)` on several threads; the first error counts and makes the others stop.
template <typename Work>
snapshot::Result<void> on_threads(std::uint32_t threads, const Work& work) {
    std::mutex mutex;
    snapshot::Result<void> result;
    std::atomic<bool> failed{false};
    const auto run = [&](std::uint32_t thread) {
        if (auto done = work(thread, failed); !done) {
            const std::lock_guard lock(mutex);
            if (result) result = std::move(done);
            failed = true;
        }
    };
    {
        std::vector<std::jthread> others;
        for (std::uint32_t n = 1; n < threads; ++n) others.emplace_back([&run, n] { run(n); });
        run(0);
    }
    return result;
}

std::uint32_t threads_for(const snapshot::SnapshotReader& reader, const LoadOptions& options) {
    return std::clamp(reader.files(), 1u, std::max(options.threads, 1u));
}

snapshot::Result<void> check_all(const snapshot::SnapshotReader& reader,
                                 const LoadOptions& options) {
    std::atomic<std::uint32_t> next{0};
    return on_threads(threads_for(reader, options),
                      [&](std::uint32_t, const auto& failed) -> snapshot::Result<void> {
                          for (;;) {
                              const std::uint32_t file = next.fetch_add(1);
                              if (file >= reader.files() || failed) return {};
                              if (auto done = reader.check_file(file); !done) return done;
                          }
                      });
}

/// The share of the items for which there is no room, whatever is done.
double surplus_share(const snapshot::Totals& totals, const store::ShardSet& shards, bool evict) {
    // What an item takes beside key and value, at the least, index included.
    constexpr std::uint64_t kOverhead = 14;
    const auto needed =
        static_cast<double>(totals.key_bytes + totals.value_bytes + totals.items * kOverhead);
    auto room = static_cast<double>(shards.memory_limit());
    if (evict) {
        room *= 1.05;  // eviction sees to the rest
    } else {
        // What comes last is worth most, and must not be what is refused.
        const double open_segments = 4.0 * shards.size() * shards.segment_bytes();
        room = std::max(room * 0.92 - open_segments, room / 2);
    }
    return needed <= room ? 0 : 1 - room / needed;
}

/// Every `threads`th file from `first` on.
snapshot::Result<void> load_files(const snapshot::SnapshotReader& reader, std::uint32_t first,
                                  std::uint32_t threads, const LoadOptions& options, double surplus,
                                  ItemFiller& filler, const std::atomic<bool>& failed) {
    LoadProgress& progress = *options.progress;
    const auto visitor = [&](std::span<const snapshot::Item> items) {
        filler.store(items, options.clock());
        return !failed && !progress.stop;
    };
    snapshot::SideBySide files(reader);
    for (std::uint32_t next = first;;) {
        if (files.empty()) {
            // Together, so that none is ahead of the others.
            for (std::uint32_t n = 0; n < kFilesSideBySide && next < reader.files(); ++n) {
                const auto left_out = files.add(next, surplus);
                if (!left_out) return std::unexpected(left_out.error());
                progress.surplus += *left_out;
                next += threads;
            }
            if (files.empty()) return {};
        }
        if (auto done = files.step(visitor); !done) return done;
    }
}

LoadReport report_of(const LoadProgress& progress, const std::string& name) {
    return {.name = name,
            .items = progress.loaded,
            .expired = progress.expired,
            .surplus = progress.surplus,
            .superseded = progress.superseded,
            .not_stored = progress.not_stored};
}

/// A clock that is behind the moment of the snapshot has gone back, or is wrong.
std::uint64_t clock_back(const snapshot::Manifest& manifest, base::UnixSeconds now) {
    if (manifest.created <= now) return 0;
    const std::uint64_t seconds = manifest.created - now;
    base::log_error(
        "the clock is {} s behind the moment of snapshot {}; deadlines are kept as they are, so "
        "that items live that much longer: check the clock",
        seconds, manifest.name);
    return seconds;
}

snapshot::Result<LoadReport> load_one(store::ShardSet& shards, const snapshot::Catalog& catalog,
                                      const std::string& name, const LoadOptions& options,
                                      bool& halfway) {
    const std::uint64_t started_ns = base::monotonic_ns();
    auto opened = snapshot::SnapshotReader::open(catalog.fs(), catalog.directory(), name);
    if (!opened) return std::unexpected(std::move(opened.error()));
    const snapshot::SnapshotReader& reader = **opened;
    const snapshot::Totals totals = reader.manifest().totals();
    options.progress->items = totals.items;
    if (options.on_broken != OnBrokenSnapshot::Refuse) {
        // Going on with another one is possible only as long as nothing of this one was stored.
        if (auto checked = check_all(reader, options); !checked) {
            return std::unexpected(std::move(checked.error()));
        }
    }
    const std::uint64_t back = clock_back(reader.manifest(), options.clock());
    shards.skip_cas_to(reader.manifest().highest_cas);
    const double surplus = surplus_share(totals, shards, options.evict);
    const std::uint32_t threads = threads_for(reader, options);
    auto read = on_threads(threads, [&](std::uint32_t thread, const auto& failed) {
        ItemFiller filler(shards, options.gate, *options.progress);
        return load_files(reader, thread, threads, options, surplus, filler, failed);
    });
    if (!read) {
        // Half of it is in the shards, so nothing else can be loaded over it.
        halfway = true;
        return std::unexpected(std::move(read.error()));
    }
    LoadReport report = report_of(*options.progress, name);
    report.ms = (base::monotonic_ns() - started_ns) / 1'000'000;
    report.clock_back_s = back;
    return report;
}

std::string what_to_do(const std::string& what) {
    return fmt::format(
        "{}; nothing was loaded. To start all the same, give -o snapshot_on_error=previous (the "
        "snapshot before it) or -o snapshot_on_error=empty, or restore the files",
        what);
}

/// What may be loaded, in the order of preference.
snapshot::Result<std::vector<std::string>> candidates(const snapshot::Catalog& catalog,
                                                      const LoadOptions& options) {
    if (!options.name.empty()) return std::vector{options.name};
    auto names = catalog.load_candidates();
    if (names) {
        // Without being told to, nothing but the committed one.
        if (options.on_broken != OnBrokenSnapshot::Previous && names->size() > 1) names->resize(1);
        return names;
    }
    if (options.on_broken == OnBrokenSnapshot::Refuse) return names;
    base::log_error("{}", names.error().what);
    if (options.on_broken == OnBrokenSnapshot::Empty) return std::vector<std::string>{};
    return catalog.complete_snapshots();
}

}  // namespace

std::uint32_t LoadProgress::percent() const noexcept {
    const std::uint64_t all = items;
    if (all == 0) return 0;
    return static_cast<std::uint32_t>(std::min(done(), all) * 100 / all);
}

void LoadProgress::reset() noexcept {
    for (auto* counter : {&items, &loaded, &expired, &surplus, &superseded, &not_stored}) {
        *counter = 0;
    }
    stop = false;
}

std::string to_string(const LoadReport& report) {
    std::string text = fmt::format("{} items loaded in {} ms, {} had expired", report.items,
                                   report.ms, report.expired);
    if (report.surplus + report.not_stored != 0) {
        text += fmt::format(", {} found no room", report.surplus + report.not_stored);
    }
    if (report.superseded != 0) {
        text += fmt::format(", {} have been changed since", report.superseded);
    }
    return text;
}

std::expected<std::optional<LoadReport>, std::string> load_snapshot(
    store::ShardSet& shards, const snapshot::Catalog& catalog, const LoadOptions& asked) {
    LoadProgress unseen;
    LoadOptions options = asked;
    if (options.progress == nullptr) options.progress = &unseen;
    const auto names = candidates(catalog, options);
    if (!names) return std::unexpected(what_to_do(names.error().what));
    std::string last_problem;
    for (const std::string& name : *names) {
        bool halfway = false;
        auto report = load_one(shards, catalog, name, options, halfway);
        if (report) return std::move(*report);
        if (options.progress->stop) return std::nullopt;
        last_problem = std::move(report.error().what);
        if (!options.name.empty()) return std::unexpected(last_problem);
        base::log_error("snapshot {} cannot be loaded: {}", name, last_problem);
        if (halfway) return std::unexpected(what_to_do(last_problem));
    }
    if (last_problem.empty() || options.on_broken == OnBrokenSnapshot::Empty) return std::nullopt;
    return std::unexpected(what_to_do(last_problem));
}

std::expected<std::optional<std::uint64_t>, std::string> items_to_load(
    const snapshot::Catalog& catalog, const LoadOptions& options) {
    const auto names = candidates(catalog, options);
    if (!names) return std::unexpected(what_to_do(names.error().what));
    if (names->empty()) return std::nullopt;
    std::uint64_t most = 0;
    for (const std::string& name : *names) {
        const auto reader = snapshot::SnapshotReader::open(catalog.fs(), catalog.directory(), name);
        if (reader) {
            most = std::max(most, (*reader)->manifest().totals().items);
        } else if (options.on_broken == OnBrokenSnapshot::Refuse) {
            return std::unexpected(what_to_do(reader.error().what));
        }
    }
    return most;
}

}  // namespace shardmill::engine
