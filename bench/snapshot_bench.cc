// Writing and loading a snapshot without a server: bytes a second beside what the disk takes with
// direct sequential writes, and items a second.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "engine/loader.h"
#include "snapshot/item.h"
#include "snapshot/writer.h"
#include "store/shard_set.h"

namespace shardmill {
namespace {

struct Options {
    std::string directory = "/tmp";
    std::uint64_t items = 2'000'000;
    std::uint64_t value_bytes = 100;
    unsigned threads = 1;
    unsigned rounds = 3;
    bool zstd = false;
    int level = 1;
};

double seconds_since(std::uint64_t start_ns) {
    return static_cast<double>(base::monotonic_ns() - start_ns) / 1e9;
}

template <typename T>
T checked(snapshot::Result<T> result) {
    if (result) {
        if constexpr (std::is_void_v<T>) {
            return;
        } else {
            return std::move(*result);
        }
    }
    fmt::print(stderr, "{}\n", result.error().what);
    std::exit(1);
}

std::unique_ptr<store::ShardSet> empty_shards(const Options& options) {
    const std::uint64_t bytes = options.items * (options.value_bytes + 64) * 5 / 4;
    return std::make_unique<store::ShardSet>(store::StoreConfig{
        .memory_limit = std::max<std::uint64_t>(bytes, 64u << 20), .shards = 8, .reactors = 2});
}

/// Values that compress to about a half: random letters of sixteen.
void fill(store::ShardSet& shards, const Options& options) {
    std::minstd_rand random(1);
    std::string value(options.value_bytes, '\0');
    for (std::uint64_t n = 0; n < options.items; ++n) {
        for (char& c : value) c = static_cast<char>('a' + random() % 16);
        const std::string key = fmt::format("key:{:020}", n);
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = shards.lock(shards.shard_of(hashed.hash));
        SHARDMILL_ASSERT(shard->put({.key = hashed, .value_head = value, .value_tail = {}}, nullptr,
                                    base::unix_now()));
    }
}

/// What the disk takes: large direct writes, several on their way, then a sync.
double disk_rate(const Options& options, std::uint64_t bytes) {
    constexpr std::size_t kPiece = 1u << 20;
    constexpr unsigned kDepth = 4;
    const std::string path = options.directory + "/sequential.tmp";
    auto file = uring::real_file_system().create(path);
    SHARDMILL_ASSERT(file);
    const std::unique_ptr<char, decltype(&std::free)> memory(
        static_cast<char*>(std::aligned_alloc(4096, kPiece)), &std::free);
    std::minstd_rand random(2);
    for (std::size_t i = 0; i < kPiece; ++i) memory.get()[i] = static_cast<char>(random());
    const std::uint64_t start = base::monotonic_ns();
    std::uint64_t offset = 0;
    {
        const auto queue = (*file)->write_queue(kDepth);
        for (unsigned slot = 0; offset < bytes; offset += kPiece, slot = (slot + 1) % kDepth) {
            SHARDMILL_ASSERT(queue->wait(slot));
            queue->start(slot, offset, {memory.get(), kPiece});
        }
        for (unsigned slot = 0; slot < kDepth; ++slot) SHARDMILL_ASSERT(queue->wait(slot));
    }
    SHARDMILL_ASSERT((*file)->sync());
    const double rate = static_cast<double>(offset) / seconds_since(start);
    SHARDMILL_ASSERT(uring::real_file_system().unlink(path));
    return rate;
}

template <typename Work>
void on_threads(unsigned threads, const Work& work) {
    std::vector<std::jthread> others;
    for (unsigned n = 1; n < threads; ++n) others.emplace_back(work);
    work();
}

struct Saved {
    snapshot::Manifest manifest;
    double seconds = 0;
};

Saved save(store::ShardSet& shards, snapshot::Catalog& catalog, const Options& options) {
    // Removing an old one is not writing, and on some disks takes a third as long.
    for (const snapshot::CatalogEntry& old : checked(catalog.list())) {
        if (!old.current) checked(catalog.remove(old.name));
    }
    const std::uint64_t start = base::monotonic_ns();
    auto writer = checked(snapshot::SnapshotWriter::create(
        catalog, snapshot::Kind::Contents, {},
        {.shards = shards.size(),
         .codec = options.zstd ? snapshot::Codec::Zstd : snapshot::Codec::None,
         .zstd_level = options.level,
         .keep = 2}));
    (void)shards.begin_cut(base::unix_now());
    std::vector<store::PinnedSegment> segments;
    for (std::uint32_t shard = 0; shard < shards.size(); ++shard) {
        auto cut = shards.collect_cut(shard);
        std::ranges::move(cut.segments, std::back_inserter(segments));
    }
    std::atomic<std::size_t> next{0};
    on_threads(options.threads, [&] {
        const auto file = checked(writer->open_file());
        for (std::size_t at = next++; at < segments.size(); at = next++) {
            SHARDMILL_ASSERT(segments[at].claim());
            store::visit_items(segments[at], base::unix_now(), [&](const store::ItemView& item) {
                checked(file->append(snapshot::item_of(item)));
            });
        }
        checked(file->finish());
    });
    shards.release_cut(segments);
    Saved saved{.manifest = checked(writer->commit())};
    saved.seconds = seconds_since(start);
    return saved;
}

double load(const snapshot::Catalog& catalog, const Options& options) {
    const auto shards = empty_shards(options);
    const std::uint64_t start = base::monotonic_ns();
    const auto report = engine::load_snapshot(*shards, catalog, {.threads = options.threads});
    SHARDMILL_ASSERT(report && *report && (*report)->items == options.items);
    return seconds_since(start);
}

template <typename Numbers>
double median(Numbers numbers) {
    std::ranges::sort(numbers);
    return numbers[numbers.size() / 2];
}

int run(Options options) {
    const auto shards = empty_shards(options);
    fill(*shards, options);
    const std::string own = fmt::format("{}/snapshot-bench-{}", options.directory, ::getpid());
    options.directory = own;
    auto catalog = checked(snapshot::Catalog::open(uring::real_file_system(), own));
    std::vector<double> disk;
    std::vector<double> written;
    std::vector<double> loaded;
    Saved saved;
    for (unsigned round = 0; round < options.rounds; ++round) {
        saved = save(*shards, *catalog, options);
        const std::uint64_t bytes = saved.manifest.totals().file_bytes;
        written.push_back(static_cast<double>(bytes) / saved.seconds);
        disk.push_back(disk_rate(options, bytes));
        loaded.push_back(static_cast<double>(options.items) / load(*catalog, options));
    }
    catalog.reset();
    std::filesystem::remove_all(own);
    const auto& totals = saved.manifest.totals();
    fmt::print("{} items of {} bytes, {} threads, {}: {:.0f} MB\n", totals.items,
               24 + options.value_bytes, options.threads, options.zstd ? "zstd" : "no codec",
               static_cast<double>(totals.file_bytes) / 1e6);
    fmt::print("written {:8.0f} MB/s, {:.2f} M items/s\n", median(written) / 1e6,
               median(written) / static_cast<double>(totals.file_bytes) *
                   static_cast<double>(totals.items) / 1e6);
    fmt::print("disk    {:8.0f} MB/s, ratio {:.2f}\n", median(disk) / 1e6,
               median(written) / median(disk));
    fmt::print("loaded  {:8.2f} M items/s, {:.2f} a thread\n", median(loaded) / 1e6,
               median(loaded) / options.threads / 1e6);
    return 0;
}

}  // namespace
}  // namespace shardmill

int main(int argc, char** argv) {
    shardmill::Options options;
    CLI::App app{"Measures writing and loading snapshots"};
    app.add_option("--directory", options.directory, "on the disk to be measured");
    app.add_option("--items", options.items);
    app.add_option("--value-bytes", options.value_bytes);
    app.add_option("--threads", options.threads);
    app.add_option("--rounds", options.rounds);
    app.add_flag("--zstd", options.zstd);
    app.add_option("--level", options.level);
    CLI11_PARSE(app, argc, argv);
    return shardmill::run(options);
}
