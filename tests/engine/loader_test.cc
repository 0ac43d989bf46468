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

TEST(LoaderTest, AnEmptyDirectoryLoadsNothing) {
    const TemporaryDirectory directory;
    SnapshotServer server(directory.path());
    const auto report = server.load();
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->has_value());
}

/// A snapshot of 2000 items with a byte changed; its name.
std::string save_and_damage(const TemporaryDirectory& directory) {
    SnapshotServer server(directory.path());
    for (int n = 0; n < 2000; ++n) server.world.set(std::to_string(n), std::to_string(n * 7919));
    const std::string name = name_of(server.save());
    damage(directory.path(), name);
    return name;
}

TEST(LoaderTest, ABrokenSnapshotIsRefusedWithWhatToDo) {
    const TemporaryDirectory directory;
    const std::string name = save_and_damage(directory);
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

TEST(LoaderTest, KeepsWhatWasHitWhereThereIsNoRoomForAll) {
    const TemporaryDirectory directory;
    constexpr int kItems = 60'000;
    {
        SnapshotServer server(directory.path(), 4);
        for (int n = 0; n < kItems; ++n) {
            const std::string key = "key:" + std::to_string(n);
            // One in ten was hit before its last move: what eviction would keep.
            server.put({.key = key, .hit = n % 10 == 0}, std::string(500, 'v'));
        }
        server.save();
    }
    SnapshotServer server(directory.path(), 4, {}, 16u << 20);
    const auto report = server.load();
    ASSERT_TRUE(report && *report) << report.error();
    EXPECT_GT((*report)->surplus, 10'000u) << "not read at all";
    int hit = 0;
    int young = 0;
    int old = 0;
    for (int n = 0; n < kItems; ++n) {
        if (!server.get("key:" + std::to_string(n))) continue;
        if (n % 10 == 0) {
            ++hit;
        } else {
            ++(n < kItems / 2 ? old : young);
        }
    }
    // Two threads are not always at the same place, and room is made by segments: the edge is not
    // sharp.
    EXPECT_GT(hit, kItems / 10 * 9 / 10);
    EXPECT_GT(young, kItems / 5);
    EXPECT_LT(old, young / 8);
}

TEST(LoaderTest, WithoutEvictionWhatIsStoredIsWhatIsMostWorthKeeping) {
    const TemporaryDirectory directory;
    {
        SnapshotServer server(directory.path(), 4);
        for (int n = 0; n < 60'000; ++n) {
            server.put({.key = "key:" + std::to_string(n), .hit = n % 10 == 0},
                       std::string(500, 'v'));
        }
        server.save();
    }
    store::ShardSet shards({.memory_limit = 16u << 20, .shards = 4, .evict = false});
    const auto catalog = open_catalog(directory.path());
    const auto report =
        load_snapshot(shards, *catalog, {.evict = false, .clock = SnapshotServer::now});
    ASSERT_TRUE(report && *report);
    EXPECT_EQ((*report)->not_stored, 0u) << "refused would be the best ones";
    EXPECT_GT((*report)->items, 20'000u);
}

TEST(LoaderTest, AClockThatWentBackIsNoticed) {
    const TemporaryDirectory directory;
    {
        SnapshotServer server(directory.path());
        SnapshotServer::seconds_passed = 500;
        server.world.set("a", "1", SnapshotServer::now() + 10);
        server.save();
    }
    SnapshotServer server(directory.path());
    const auto report = server.load();
    ASSERT_TRUE(report && *report);
    EXPECT_EQ((*report)->clock_back_s, 500u);
    EXPECT_EQ(server.get("a"), "1") << "deadlines stay as they are";
}

TEST(LoaderTest, LargeValuesComeBackWhole) {
    const TemporaryDirectory directory;
    std::string large(9u << 20, '\0');
    for (std::size_t at = 0; at < large.size(); ++at) large[at] = static_cast<char>(at % 251);
    {
        SnapshotServer server(directory.path());
        server.world.set("large", large, ManualWorld::kNow + 100);
        server.world.set("expired", large, ManualWorld::kNow + 10);
        server.save();
    }
    SnapshotServer server(directory.path(), 1);
    SnapshotServer::seconds_passed = 10;
    const auto report = server.load();
    ASSERT_TRUE(report && *report);
    EXPECT_EQ((*report)->expired, 1u);
    EXPECT_TRUE(server.get("large") == large);
    EXPECT_EQ(server.get("expired"), std::nullopt);
}

/// The start of a server that serves while it loads.
class LoadBesideClientsTest : public ::testing::Test {
 protected:
    LoadBesideClientsTest() {
        {
            SnapshotServer server(directory_.path());
            for (int n = 0; n < 1000; ++n) server.world.set("key:" + std::to_string(n), "old");
            server.save();
        }
        server_ = std::make_unique<SnapshotServer>(directory_.path());
        EXPECT_TRUE(server_->loader.prepare(true));
        EXPECT_EQ(server_->gate.mode(), LoadGate::Mode::Watch);
        EXPECT_TRUE(server_->loader.incomplete());
    }
    void load() {
        server_->loader.start([this](const LoadStatus& status) { status_ = status; });
        server_->run_all();
        EXPECT_EQ(status_.state, LoadStatus::State::Loaded);
        EXPECT_FALSE(server_->loader.incomplete());
        EXPECT_EQ(server_->gate.mode(), LoadGate::Mode::Open);
    }

    const TemporaryDirectory directory_;
    std::unique_ptr<SnapshotServer> server_;
    LoadStatus status_;
};

TEST_F(LoadBesideClientsTest, WhatClientsHaveStoredOrRemovedStaysAsItIs) {
    server_->world.set("key:1", "new");
    server_->gate.note_change(base::hash_key("key:1"));
    server_->gate.note_change(base::hash_key("key:2"));  // deleted
    load();
    EXPECT_EQ(server_->get("key:1"), "new");
    EXPECT_EQ(server_->get("key:2"), std::nullopt);
    EXPECT_EQ(server_->get("key:3"), "old");
    EXPECT_EQ(status_.report.superseded, 2u);
    EXPECT_EQ(status_.report.items, 998u);
}

TEST_F(LoadBesideClientsTest, WhatIsFlushedIsNotLoaded) {
    server_->gate.note_flush(SnapshotServer::now() + 100, SnapshotServer::now());
    EXPECT_FALSE(server_->gate.flushed(SnapshotServer::now()));
    server_->gate.note_flush(SnapshotServer::now(), SnapshotServer::now());
    server_->gate.note_flush(SnapshotServer::now() + 100, SnapshotServer::now());
    load();
    EXPECT_EQ(status_.report.superseded, 1000u);
}

TEST_F(LoadBesideClientsTest, SavingWaitsForIt) {
    server_->obstacle = "still being loaded";
    EXPECT_EQ(server_->ask("save"), "NS still being loaded\r\n");
    EXPECT_THAT(server_->ask("stop"), StartsWith("NS "));
    load();
}

TEST(LoaderTest, ABrokenStartIsKnownBeforeAnythingIsServedOrFailsInTheEnd) {
    const TemporaryDirectory directory;
    const std::string name = save_and_damage(directory);
    SnapshotServer server(directory.path());
    ASSERT_TRUE(server.loader.prepare(false)) << "the manifest is sound";
    EXPECT_EQ(server.gate.mode(), LoadGate::Mode::Refuse);
    LoadStatus status;
    server.loader.start([&](const LoadStatus& end) { status = end; });
    server.run_all();
    EXPECT_EQ(status.state, LoadStatus::State::Failed);
    EXPECT_THAT(status.reason, HasSubstr("shard-"));
    EXPECT_TRUE(server.loader.incomplete());
    EXPECT_EQ(server.gate.mode(), LoadGate::Mode::Refuse) << "half of it is nobody's business";
    std::filesystem::remove(directory.path() + "/" + name + "/shard-0000");
    EXPECT_FALSE(server.loader.prepare(false));
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
