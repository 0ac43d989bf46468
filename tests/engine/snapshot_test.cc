#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "snapshot_server.h"
#include "temporary_directory.h"

namespace shardmill::engine {
namespace {

using config::OnBrokenSnapshot;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
            ContainsRegex("^HD snap-[^ ]+ state=committed percent=100 items=5001 bytes=[0-9]+ "
                          "ms=[0-9]+ created=1000000 memory=[0-9]+\r\n$"));
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
    SnapshotServer::seconds_passed = 10;
    const auto report = server.load();
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
    EXPECT_THAT(server.reply(), StartsWith("CLIENT_ERROR usage: snapshot save [name] | list |"));
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
    server.snapshots.stop();
    server.world.run_all();
    EXPECT_THAT(server.reply(), StartsWith("SERVER_ERROR snap-"));
    server.submit("list");
    EXPECT_THAT(server.reply(),
                AllOf(HasSubstr(committed), ::testing::Not(HasSubstr("incomplete"))));
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

TEST(SnapshotTest, AnAskerWhileOneIsSavedIsToldHowFarItIs) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path(), 4, {.codec = snapshot::Codec::None, .rate = 1u << 20});
    for (int n = 0; n < 9000; ++n) server.world.set(std::to_string(n), std::string(1000, 'v'));
    server.submit("save", 1);
    server.run_all();
    EXPECT_EQ(server.reply(1), "") << "what may be written is written";
    server.submit("save other", 2);
    server.world.control.advance(std::chrono::milliseconds(50));
    EXPECT_THAT(server.reply(2),
                ContainsRegex("^NS a snapshot is being saved: snap-[^ ]+, [0-9]+ percent\r\n$"));
    EXPECT_THAT(server.ask("stat"), ContainsRegex("^HD snap-[^ ]+ state=saving percent=[0-9]+ "));
    server.commands.stats({0, 3, 1});
    EXPECT_THAT(server.reply(3),
                AllOf(HasSubstr("STAT snapshot_saving 1\r\n"),
                      ContainsRegex("STAT snapshot_memory_peak [1-9][0-9]{6,}\r\n")));
}

TEST(SnapshotTest, IsWrittenNoFasterThanToldTo) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path(), 4, {.codec = snapshot::Codec::None, .rate = 20u << 20});
    for (int n = 0; n < 16'000; ++n) server.world.set(std::to_string(n), std::string(1000, 'v'));
    server.submit("save");
    server.run_all();
    // A grant is a twentieth of the rate, 1 MiB; what a lane begins it writes.
    int grants = 0;
    for (; server.reply().empty(); ++grants) {
        ASSERT_LT(grants, 1000);
        server.world.control.advance(std::chrono::milliseconds(50));
        server.run_all();
    }
    EXPECT_GE(grants, 8) << "16 MiB";
    EXPECT_EQ(server.world.control.timers(), 0u);
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

TEST(SnapshotTest, IsSavedEverySoOften) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path(), 4, {.interval = std::chrono::seconds(60)});
    server.world.set("a", "1");
    server.snapshots.start_schedule();
    server.run_all();
    EXPECT_FALSE(server.snapshots.status());
    for (std::uint64_t saves = 1; saves < 4; ++saves) {
        server.world.control.advance(std::chrono::seconds(60));
        server.run_all();
        EXPECT_EQ(server.snapshots.counts().saves, saves);
    }
    server.obstacle = "not now";
    server.world.control.advance(std::chrono::seconds(60));
    server.run_all();
    EXPECT_EQ(server.snapshots.counts().saves, 3u) << "the time after that it is tried again";
    server.obstacle.clear();
    server.world.control.advance(std::chrono::seconds(60));
    server.run_all();
    EXPECT_EQ(server.snapshots.counts().saves, 4u);
}

TEST(SnapshotTest, ANamedOneStaysUntilItIsDropped) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    server.world.set("a", "1");
    const std::string named = name_of(server.ask("save before-upgrade"));
    EXPECT_THAT(server.ask("save before-upgrade"), "EX " + named + "\r\n");
    EXPECT_THAT(server.ask("drop before-upgrade"),
                AllOf(StartsWith("NS "), HasSubstr("the next start loads")));
    for (int n = 0; n < 4; ++n) server.save();
    EXPECT_THAT(server.ask("stat before-upgrade"),
                AllOf(StartsWith("HD " + named + " state=previous items=1 "),
                      HasSubstr(" label=before-upgrade\r\n")));
    EXPECT_EQ(server.catalog->list()->size(), 3u) << "two, and that one";
    EXPECT_EQ(server.ask("drop before-upgrade"), "HD " + named + " state=dropped\r\n");
    EXPECT_EQ(server.ask("stat before-upgrade"), "NF\r\n");
    EXPECT_EQ(server.ask("drop before-upgrade"), "NF\r\n");
    for (const char* name : {"save .hidden", "save a/b", "save snap-1", "save result-1"}) {
        EXPECT_THAT(server.ask(name), StartsWith("CLIENT_ERROR a name has up to 64 ")) << name;
    }
}

TEST(SnapshotTest, KeepsAsManyAsToldTo) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path(), 4, {.keep = 3});
    server.world.set("a", "1");
    for (int n = 0; n < 5; ++n) server.save();
    EXPECT_EQ(server.catalog->list()->size(), 3u);
}

TEST(SnapshotTest, CodecAndLevelAreAsTold) {
    const TemporaryDirectory directory;
    std::uint64_t plain = 0;
    for (const SnapshotSettings& settings :
         {SnapshotSettings{.codec = snapshot::Codec::None},
          SnapshotSettings{.codec = snapshot::Codec::Zstd, .level = 19}}) {
        SnapshotServer server(directory.path(), 4, settings);
        for (int n = 0; n < 1000; ++n) server.world.set(std::to_string(n), std::string(100, 'v'));
        const std::string name = name_of(server.save());
        const auto entry = server.catalog->find(name);
        ASSERT_TRUE(entry);
        EXPECT_EQ(entry->manifest.codec, settings.codec);
        const std::uint64_t bytes = entry->manifest.totals().file_bytes;
        if (plain == 0) {
            plain = bytes;
        } else {
            EXPECT_LT(bytes, plain / 4);
        }
    }
}

TEST(SnapshotTest, AStoppedSaveIsNoFailure) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path(), 4, {.codec = snapshot::Codec::None, .rate = 1u << 20});
    EXPECT_EQ(server.ask("stop"), "NF\r\n");
    for (int n = 0; n < 9000; ++n) server.world.set(std::to_string(n), std::string(1000, 'v'));
    server.submit("save", 1);
    server.run_all();
    server.submit("stop", 2);
    EXPECT_THAT(server.reply(2), ContainsRegex("^HD snap-[^ ]+ state=stopping\r\n$"));
    server.run_all();
    EXPECT_THAT(server.reply(1), ContainsRegex("^SERVER_ERROR snap-[^ ]+: it was stopped\r\n$"));
    EXPECT_THAT(server.ask("stat"), HasSubstr(" state=stopped "));
    EXPECT_EQ(server.snapshots.counts().failures, 0u);
    EXPECT_TRUE(server.catalog->list()->empty());
    // At once, although the scan has not given back all it held.
    server.submit("save", 1);
    server.submit("stop", 2);
    while (server.replier.replies[1].empty()) {
        if (!server.world.control.run_one() && !server.world.workers.run_one()) {
            server.world.reactors[0].run_one();
            server.world.reactors[1].run_one();
        }
    }
    EXPECT_THAT(server.reply(1), StartsWith("SERVER_ERROR "));
    server.submit("save", 1);
    EXPECT_EQ(server.reply(1), "") << "it is on its way";
}

TEST(SnapshotTest, NothingAskedForWhileStoppingIsInTheWayOfTheLastOne) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    server.world.set("a", "1");
    server.snapshots.shut_down();
    EXPECT_THAT(server.ask("save"), HasSubstr("the server is stopping"));
    std::optional<SnapshotStatus> last;
    ASSERT_TRUE(server.snapshots.save_last([&](const SnapshotStatus& status) { last = status; }));
    server.run_all();
    ASSERT_TRUE(last);
    EXPECT_EQ(last->state, SnapshotStatus::State::Committed);
}

TEST(SnapshotTest, AFailureIsShownUntilTheEnd) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    server.world.set("a", "1");
    server.save();
    const std::string path = directory.path();
    std::filesystem::rename(path, path + ".gone");
    EXPECT_THAT(server.ask("save"),
                AllOf(StartsWith("SERVER_ERROR "), HasSubstr("check that the directory exists")));
    std::filesystem::rename(path + ".gone", path);
    server.save();
    server.commands.stats({0, 1, 1});
    EXPECT_THAT(
        server.reply(),
        AllOf(HasSubstr("STAT snapshot_saves 2\r\n"), HasSubstr("STAT snapshot_failures 1\r\n"),
              HasSubstr("STAT snapshot_error cannot make directory"),
              HasSubstr("STAT snapshot_error_at 1000000\r\n"),
              HasSubstr("STAT snapshot_state committed\r\n"), HasSubstr("STAT snapshot_age ")));
}

TEST(SnapshotTest, VerifiesOnAWorker) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    EXPECT_EQ(server.ask("verify"), "NF\r\n");
    for (int n = 0; n < 2000; ++n) server.world.set(std::to_string(n), std::to_string(n * 7919));
    const std::string name = name_of(server.save());
    EXPECT_THAT(
        server.ask("verify"),
        ContainsRegex("^HD " + name + " state=sound items=2000 bytes=[0-9]+ ms=[0-9]+\r\n$"));
    server.submit("verify", 1);
    server.submit("verify", 2);
    EXPECT_EQ(server.reply(2), "NS a snapshot is being verified: " + name + "\r\n");
    server.run_all();
    EXPECT_THAT(server.reply(1), StartsWith("HD "));
    damage(directory.path(), name);
    EXPECT_THAT(server.ask(("verify " + name).c_str()),
                AllOf(StartsWith("SERVER_ERROR "), HasSubstr(name + "/shard-")));
}

TEST(SnapshotTest, LoadsBesideWhatIsThere) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    EXPECT_EQ(server.ask("load"), "NF\r\n");
    server.world.set("kept", "old");
    server.world.set("gone", "old");
    server.save();
    server.world.set("kept", "new");
    const store::HashedKey gone{"gone", base::hash_key("gone")};
    {
        const auto shard = server.world.shards.lock(server.world.shards.shard_of(gone.hash));
        shard->erase(*shard->find(gone, SnapshotServer::now()));
    }
    EXPECT_THAT(server.ask("load"),
                AllOf(ContainsRegex("^HD snap-[^ ]+ state=loaded percent=100 items=1 "),
                      HasSubstr(" superseded=1 ")));
    EXPECT_EQ(server.get("kept"), "new");
    EXPECT_EQ(server.get("gone"), "old");
    EXPECT_EQ(server.gate.mode(), LoadGate::Mode::Open);
    EXPECT_EQ(server.gate.memory_bytes(), 0u);
}

TEST(SnapshotTest, ADamagedOneIsRefusedBeforeAnythingIsLoaded) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    for (int n = 0; n < 2000; ++n) server.world.set(std::to_string(n), std::to_string(n * 7919));
    const std::string name = name_of(server.save());
    damage(directory.path(), name);
    for (std::uint32_t shard = 0; shard < 4; ++shard) {
        server.world.shards.lock(shard)->flush_all(SnapshotServer::now(), SnapshotServer::now());
    }
    EXPECT_THAT(server.ask("load"), AllOf(StartsWith("SERVER_ERROR "), HasSubstr("shard-")));
    EXPECT_EQ(server.get("7"), std::nullopt);
    EXPECT_EQ(server.gate.mode(), LoadGate::Mode::Open);
}

}  // namespace
}  // namespace shardmill::engine
