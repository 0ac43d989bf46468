#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "control_fakes.h"
#include "engine/loader.h"
#include "engine/scan_driver.h"
#include "engine/snapshot_commands.h"
#include "engine/snapshot_manager.h"
#include "temporary_directory.h"
#include "uring/file.h"

namespace shardmill::engine {
namespace {

using config::OnBrokenSnapshot;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::unique_ptr<snapshot::Catalog> open_catalog(const std::string& directory) {
    auto catalog = snapshot::Catalog::open(uring::real_file_system(), directory);
    EXPECT_TRUE(catalog);
    return std::move(*catalog);
}

/// A server's part that saves, driven by hand.
class SnapshotServer {
 public:
    /// `directory` empty: there is none.
    explicit SnapshotServer(const std::string& directory, std::uint32_t shards = 4)
        : world({.memory_limit = 64u << 20, .shards = shards, .reactors = 2}),
          catalog(directory.empty() ? nullptr : open_catalog(directory)),
          scans({.shards = &world.shards,
                 .reactors = {&world.reactors[0], &world.reactors[1]},
                 .control = &world.control,
                 .workers = &world.workers,
                 .lanes = 2,
                 .clock = now}),
          snapshots({.scans = &scans,
                     .catalog = catalog.get(),
                     .shards = shards,
                     .facts = {{"version", "1"}},
                     .clock = now}),
          commands(snapshots, replier) {}
    ~SnapshotServer() {
        snapshots.cancel();
        world.run_all();
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
    std::string save() {
        submit("save");
        world.run_all();
        return reply();
    }
    std::expected<std::optional<LoadReport>, std::string> load(
        OnBrokenSnapshot on_broken = OnBrokenSnapshot::Refuse, std::uint32_t later = 0) {
        return load_snapshot(
            world.shards, *catalog,
            {.on_broken = on_broken, .threads = 2, .now = ManualWorld::kNow + later});
    }
    std::optional<std::string> get(const std::string& key) {
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = world.shards.lock(world.shards.shard_of(hashed.hash));
        const auto found = shard->find(hashed, ManualWorld::kNow);
        if (!found) return std::nullopt;
        return std::string(found->view.value);
    }

    static base::UnixSeconds now() noexcept { return ManualWorld::kNow; }

    ManualWorld world;
    std::unique_ptr<snapshot::Catalog> catalog;
    FakeReplier replier;
    ScanDriver scans;
    SnapshotManager snapshots;
    SnapshotCommands commands;
};

/// Spoils one byte in the middle of a snapshot's largest file.
void damage(const std::string& directory, const std::string& name) {
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

std::string name_of(const std::string& reply) { return reply.substr(3, reply.find(' ', 3) - 3); }

TEST(SnapshotTest, SavedItemsLoadIntoAnotherNumberOfShards) {
    const TemporaryDirectory directory;
    std::map<std::string, std::string> model;
    {
        SnapshotServer server(directory.path(), 4);
        for (int n = 0; n < 5000; ++n) {
            const std::string key = "key:" + std::to_string(n);
            model[key] = std::string(static_cast<std::size_t>(n % 300), 'v');
            server.world.set(key, model[key]);
        }
        model["large"] = std::string(700'000, 'L');
        server.world.set("large", model["large"]);
        EXPECT_THAT(
            server.save(),
            ContainsRegex("^HD snap-[^ ]+ state=committed items=5001 bytes=[0-9]+ ms=[0-9]+\r\n$"));
    }
    for (const std::uint32_t shards : {1u, 2u, 16u}) {
        SnapshotServer server(directory.path(), shards);
        const auto report = server.load();
        ASSERT_TRUE(report) << report.error();
        ASSERT_TRUE(report->has_value());
        EXPECT_EQ((*report)->items, model.size());
        EXPECT_EQ((*report)->not_stored, 0u);
        for (const auto& [key, value] : model) ASSERT_EQ(server.get(key), value) << key;
    }
}

TEST(SnapshotTest, DeadlinesFlagsAndSeenCasSurvive) {
    const TemporaryDirectory directory;
    const store::HashedKey key{"k", base::hash_key("k")};
    std::uint64_t cas = 0;
    {
        SnapshotServer server(directory.path());
        server.world.set("short", "1", ManualWorld::kNow + 10);
        {
            const auto shard = server.world.shards.lock(server.world.shards.shard_of(key.hash));
            const auto stored = shard->put({.key = key,
                                            .value_head = "v",
                                            .value_tail = {},
                                            .client_flags = 77,
                                            .exptime = ManualWorld::kNow + 100,
                                            .header_bits = store::ItemHeader::kStale},
                                           nullptr, ManualWorld::kNow);
            ASSERT_TRUE(stored);
            cas = shard->show_cas(*stored);
        }
        server.save();
    }
    SnapshotServer server(directory.path(), 1);
    const auto report = server.load(OnBrokenSnapshot::Refuse, 10);
    ASSERT_TRUE(report && *report);
    EXPECT_EQ((*report)->items, 1u);
    EXPECT_EQ((*report)->expired, 1u);
    const auto shard = server.world.shards.lock(0);
    const auto found = shard->find(key, ManualWorld::kNow);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->view.client_flags, 77u);
    EXPECT_EQ(found->view.exptime, ManualWorld::kNow + 100);
    EXPECT_TRUE(found->view.header.has(store::ItemHeader::kStale));
    EXPECT_EQ(shard->show_cas(*found), cas);
    EXPECT_GT(shard->fresh_cas(), cas);
}

TEST(SnapshotTest, OneSaveAtATime) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    server.world.set("a", "1");
    server.submit("save", 1);
    server.submit("save", 2);
    EXPECT_THAT(server.reply(2), StartsWith("NS a snapshot is being saved: snap-"));
    EXPECT_EQ(server.reply(1), "") << "answered before it is committed";
    server.commands.stats({0, 3, 1});
    EXPECT_THAT(server.reply(3), HasSubstr("STAT snapshot_saving 1\r\n"));
    server.world.run_all();
    EXPECT_THAT(server.reply(1), HasSubstr("state=committed"));
    server.commands.stats({0, 3, 1});
    EXPECT_THAT(server.reply(3),
                AllOf(HasSubstr("STAT snapshot_saving 0\r\n"),
                      HasSubstr("STAT snapshot_state committed\r\n"),
                      HasSubstr("STAT snapshot_items 1\r\n"), HasSubstr("END\r\n")));
}

TEST(SnapshotTest, ListsWhatIsThereNewestFirst) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    server.submit("list");
    EXPECT_EQ(server.reply(), "EN done\r\n");
    server.world.set("a", "1");
    const std::string first = name_of(server.save());
    const std::string second = name_of(server.save());
    server.submit("list");
    const std::string list = server.reply();
    EXPECT_THAT(list, AllOf(HasSubstr(" k" + first + "\r\n{\"state\":\"previous\","),
                            HasSubstr(" k" + second + "\r\n{\"state\":\"committed\","),
                            HasSubstr("\"items\":1,"), HasSubstr("EN done\r\n")));
}

TEST(SnapshotTest, WithoutADirectoryItSaysWhatToDo) {
    SnapshotServer server({});
    server.submit("save");
    EXPECT_THAT(server.reply(), AllOf(StartsWith("NS "), HasSubstr("-o snapshot_dir=<dir>")));
    server.submit("list");
    EXPECT_EQ(server.reply(), "EN done\r\n");
    server.submit("eat");
    EXPECT_EQ(server.reply(), "CLIENT_ERROR usage: snapshot save|list\r\n");
}

TEST(SnapshotTest, ACancelledSaveLeavesNothingBehind) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    for (int n = 0; n < 5000; ++n) server.world.set(std::to_string(n), std::string(300, 'v'));
    const std::string committed = name_of(server.save());
    server.submit("save");
    for (int step = 0; step < 3; ++step) {
        server.world.control.run_one();
        server.world.reactors[0].run_one();
    }
    server.snapshots.cancel();
    server.world.run_all();
    EXPECT_THAT(server.reply(), StartsWith("SERVER_ERROR snap-"));
    server.submit("list");
    EXPECT_THAT(server.reply(),
                AllOf(HasSubstr(committed), ::testing::Not(HasSubstr("incomplete"))));
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

TEST(LoaderTest, AnEmptyDirectoryLoadsNothing) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    const auto report = server.load();
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->has_value());
}

TEST(LoaderTest, ABrokenSnapshotIsRefusedWithWhatToDo) {
    const TemporaryDirectory directory;
    std::string name;
    {
        SnapshotServer server(directory.path());
        for (int n = 0; n < 2000; ++n)
            server.world.set(std::to_string(n), std::to_string(n * 7919));
        name = name_of(server.save());
    }
    damage(directory.path(), name);
    SnapshotServer server(directory.path());
    const auto report = server.load();
    ASSERT_FALSE(report);
    EXPECT_THAT(report.error(), AllOf(HasSubstr(name), HasSubstr("shard-"),
                                      HasSubstr("snapshot_on_error=previous")));
}

TEST(LoaderTest, TheOneBeforeIsUsedWhenToldTo) {
    const TemporaryDirectory directory;
    std::string first;
    std::string second;
    {
        SnapshotServer server(directory.path());
        for (int n = 0; n < 2000; ++n) server.world.set(std::to_string(n), "first");
        first = name_of(server.save());
        for (int n = 0; n < 2000; ++n) server.world.set(std::to_string(n), "second");
        second = name_of(server.save());
    }
    damage(directory.path(), second);
    {
        SnapshotServer server(directory.path());
        const auto report = server.load(OnBrokenSnapshot::Previous);
        ASSERT_TRUE(report && *report);
        EXPECT_EQ((*report)->name, first);
        EXPECT_EQ((*report)->items, 2000u);
        EXPECT_EQ(server.get("7"), "first");
    }
    damage(directory.path(), first);
    SnapshotServer server(directory.path());
    EXPECT_FALSE(server.load(OnBrokenSnapshot::Previous));
}

TEST(LoaderTest, StartsEmptyWhenToldTo) {
    const TemporaryDirectory directory;
    std::string name;
    {
        SnapshotServer server(directory.path());
        for (int n = 0; n < 2000; ++n) server.world.set(std::to_string(n), "v");
        name = name_of(server.save());
    }
    damage(directory.path(), name);
    SnapshotServer server(directory.path());
    const auto report = server.load(OnBrokenSnapshot::Empty);
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->has_value());
    EXPECT_EQ(server.get("7"), std::nullopt);
}

}  // namespace
}  // namespace shardmill::engine
