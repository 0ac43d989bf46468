#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "control_fakes.h"
#include "engine/contents_loader.h"
#include "engine/loader.h"
#include "engine/scan_driver.h"
#include "engine/snapshot_commands.h"
#include "engine/snapshot_manager.h"
#include "uring/file.h"

namespace shardmill::engine {

inline std::unique_ptr<snapshot::Catalog> open_catalog(const std::string& directory) {
    auto catalog = snapshot::Catalog::open(uring::real_file_system(), directory);
    EXPECT_TRUE(catalog);
    return std::move(*catalog);
}

/// A server's part that saves, driven by hand.
class SnapshotServer {
 public:
    /// `directory` empty: there is none.
    explicit SnapshotServer(const std::string& directory, std::uint32_t shards = 4,
                            const SnapshotSettings& settings = {},
                            std::uint64_t memory_limit = 64u << 20)
        : world({.memory_limit = memory_limit, .shards = shards, .reactors = 2}),
          catalog(directory.empty() ? nullptr : open_catalog(directory)),
          scans({.shards = &world.shards,
                 .reactors = {&world.reactors[0], &world.reactors[1]},
                 .control = &world.control,
                 .workers = &world.workers,
                 .lanes = 2,
                 .clock = now}),
          loader({.shards = &world.shards,
                  .catalog = catalog.get(),
                  .gate = &gate,
                  .threads = 2,
                  .clock = now}),
          snapshots({.scans = &scans,
                     .shards = &world.shards,
                     .control = &world.control,
                     .workers = &world.workers,
                     .catalog = catalog.get(),
                     .facts = {{"version", "1"}},
                     .settings = settings,
                     .obstacle = [this] { return obstacle; },
                     .clock = now}),
          commands(snapshots, loader, replier) {
        loader.connect(world.control, {&world.reactors[0], &world.reactors[1]});
    }
    ~SnapshotServer() {
        snapshots.shut_down();
        snapshots.stop();
        loader.shut_down([] {});
        run_all();
        seconds_passed = 0;
    }

    /// Also waits for what a thread of its own is loading.
    void run_all() {
        for (;;) {
            world.run_all();
            if (!loader.status() || loader.status()->state != LoadStatus::State::Loading) return;
            std::this_thread::yield();
        }
    }

    void submit(const char* arguments, std::uint32_t connection = 1) {
        commands.execute(arguments, {0, connection, 1});
    }
    std::string reply(std::uint32_t connection = 1) {
        auto& replies = replier.replies[connection];
        if (replies.empty()) return {};
        std::string last = replies.back();
        replies.clear();
        return last;
    }
    std::string ask(const char* arguments) {
        submit(arguments);
        run_all();
        return reply();
    }
    std::string save() { return ask("save"); }
    std::expected<std::optional<LoadReport>, std::string> load(
        config::OnBrokenSnapshot on_broken = config::OnBrokenSnapshot::Refuse) {
        return load_snapshot(world.shards, *catalog,
                             {.on_broken = on_broken, .threads = 2, .clock = now});
    }
    struct Put {
        std::string key;
        bool hit = false;  // before its last move
    };
    void put(const Put& item, const std::string& value) {
        const store::HashedKey hashed{item.key, base::hash_key(item.key)};
        const auto shard = world.shards.lock(world.shards.shard_of(hashed.hash));
        EXPECT_TRUE(shard->put({.key = hashed,
                                .value_head = value,
                                .value_tail = {},
                                .header_bits = item.hit ? store::ItemHeader::kHit : 0},
                               nullptr, now()));
    }
    std::optional<std::string> get(const std::string& key) {
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = world.shards.lock(world.shards.shard_of(hashed.hash));
        const auto found = shard->find(hashed, now());
        if (!found) return std::nullopt;
        return std::string(found->view.value);
    }

    static base::UnixSeconds now() noexcept { return ManualWorld::kNow + seconds_passed; }
    static inline std::uint32_t seconds_passed = 0;

    ManualWorld world;
    std::unique_ptr<snapshot::Catalog> catalog;
    FakeReplier replier;
    ScanDriver scans;
    LoadGate gate;
    ContentsLoader loader;
    std::string obstacle;
    SnapshotManager snapshots;
    SnapshotCommands commands;
};

/// Spoils one byte in the middle of a snapshot's largest file.
inline void damage(const std::string& directory, const std::string& name) {
    std::filesystem::path largest;
    for (const auto& file : std::filesystem::directory_iterator(directory + "/" + name)) {
        if (file.path().filename() == "MANIFEST") continue;
        if (largest.empty() || file.file_size() > std::filesystem::file_size(largest))
            largest = file.path();
    }
    std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(largest) / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get() ^ 0x55);
    file.seekp(middle);
    file.put(byte);
}

inline std::string name_of(const std::string& reply) {
    return reply.substr(3, reply.find(' ', 3) - 3);
}

}  // namespace shardmill::engine
