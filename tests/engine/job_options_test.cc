#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>

#include "batch_server.h"
#include "temporary_directory.h"

namespace shardmill::engine {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string plan_of(BatchServer& server, const std::string& arguments) {
    server.submit("plan " + arguments);
    server.world.run_all();
    return server.last_reply().value_or("");
}

std::string key_of_row(const std::string& reply) {
    const auto at = reply.find(" k") + 2;
    return reply.substr(at, reply.find('\r') - at);
}

std::optional<std::string> value_of(ManualWorld& world, const std::string& key) {
    const store::HashedKey hashed{key, base::hash_key(key)};
    const auto shard = world.shards.lock(world.shards.shard_of(hashed.hash));
    const auto found = shard->find(hashed, ManualWorld::kNow);
    if (!found) return std::nullopt;
    return std::string(found->view.value);
}

// ---- plan ----

TEST(JobPlanTest, APlanPredictsAndTheJobMeasuresTheSameTerms) {
    BatchServer server;
    fill_packages(server.world);
    const std::string plan = plan_of(server, "by:$.section|agg:count prefix=pkg:");
    EXPECT_THAT(plan,
                AllOf(StartsWith("VA "), HasSubstr("\"state\":\"planned\""),
                      HasSubstr("\"predicted_items\":901,"), HasSubstr("\"predicted_workers\":2,"),
                      ContainsRegex("\"predicted_item_ns\":[0-9]+\\.[0-9]+"),
                      ContainsRegex("\"predicted_transfer_ns_per_byte\":[0-9]+\\.[0-9]+"),
                      ContainsRegex("\"predicted_bytes_not_moved\":[1-9]"),
                      Not(HasSubstr("measured")), HasSubstr("EN done\r\n")));
    EXPECT_EQ(server.world.pinned_bytes(), 0u);

    const std::string id = key_of_row(plan);
    EXPECT_THAT(server.command("get " + id), StartsWith("NS the job is only planned"));
    EXPECT_THAT(server.command("run " + id + " limit=1"), StartsWith("CLIENT_ERROR a plan is run"));
    EXPECT_EQ(server.command("run " + id), "HD " + id + " state=queued\r\n");
    server.world.run_all();
    EXPECT_THAT(server.command("stat " + id),
                AllOf(HasSubstr("state=done"), HasSubstr("matched=900"),
                      ContainsRegex(" predicted_ms=[0-9]+ ship_out_ms=[0-9]+ not_moved=[1-9]")));
    EXPECT_THAT(server.command("plan " + id),
                AllOf(HasSubstr("predicted_items"), HasSubstr("\"measured_items\":901,"),
                      HasSubstr("\"measured_workers\":2,")));
    EXPECT_THAT(server.command("get " + id), HasSubstr("kadmin"));
}

TEST(JobPlanTest, APlanThatCannotBeMadeSaysWhy) {
    BatchServer server;
    fill_packages(server.world);
    EXPECT_THAT(plan_of(server, "nosuch"), StartsWith("CLIENT_ERROR "));
    EXPECT_THAT(plan_of(server, "by:$.size|agg:count groups=3"),
                AllOf(StartsWith("SERVER_ERROR the plan failed: "), HasSubstr("3 groups")));
}

TEST(JobPlanTest, AnEmptyStoreCanBePlannedFor) {
    BatchServer server;
    EXPECT_THAT(plan_of(server, "agg:count"), HasSubstr("\"predicted_items\":0,"));
}

TEST(JobPlanTest, APlanThatActsChangesNothing) {
    BatchServer server;
    server.world.set("k", "v");
    EXPECT_THAT(plan_of(server, "delete"), HasSubstr("planned"));
    EXPECT_EQ(value_of(server.world, "k"), "v");
}

TEST(JobPlanTest, TermsAreKnownAfterARestart) {
    const TemporaryDirectory directory;
    std::string row;
    {
        BatchServer server(directory.path());
        fill_packages(server.world);
        const std::string id = key_of_row(plan_of(server, "agg:count name=p"));
        server.command("run " + id);
        server.world.run_all();
        row = server.command("plan p");
        EXPECT_THAT(row, HasSubstr("measured_item_ns"));
    }
    BatchServer server(directory.path());
    EXPECT_EQ(server.command("plan p"), row);
}

// ---- names, connections, history ----

TEST(JobNamesTest, TheSameJobUnderTheSameNameIsTheSameJob) {
    BatchServer server;
    fill_packages(server.world);
    const std::string first = server.command("run agg:count name=n limit=3");
    const std::string id = BatchServer::id_of(first);
    EXPECT_THAT(server.command("run agg:count name=n limit=3"), StartsWith("HD " + id + " state="));
    EXPECT_EQ(server.command("run agg:count name=n limit=4"), "EX " + id + "\r\n");
    EXPECT_EQ(server.command("run agg:count name=n limit=3 prefix=x"), "EX " + id + "\r\n");
    server.world.run_all();
    EXPECT_EQ(server.command("run agg:count name=n limit=3"), "HD " + id + " state=done\r\n");
    EXPECT_THAT(server.command("run agg:count name=n limit=3 wait=100"), HasSubstr("scanned=901"));
    server.command("drop n");
    EXPECT_THAT(server.command("run agg:count name=n limit=3"), HasSubstr("state=queued"));
}

TEST(JobNamesTest, AJobThatDidNotEndWellIsRunAgain) {
    BatchServer server;
    const std::string id = BatchServer::id_of(server.command("run agg:count name=n"));
    server.command("stop " + id);
    server.world.run_all();
    EXPECT_THAT(server.command("run agg:count name=n"), Not(HasSubstr(id + " ")));
}

TEST(JobConnectionTest, OnlyAnAttachedJobEndsWithItsConnection) {
    BatchServer server;
    fill_packages(server.world);
    server.submit("run agg:count attached=1", {}, 2);
    const std::string attached = BatchServer::id_of(*server.last_reply(2));
    server.submit("run agg:count", {}, 2);
    const std::string free = BatchServer::id_of(*server.last_reply(2));
    server.close(2);
    server.world.run_all();
    EXPECT_THAT(server.command("stat " + attached), HasSubstr("state=stopped"));
    EXPECT_THAT(server.command("stat " + free), HasSubstr("state=done"));
}

TEST(JobHistoryTest, JobsThatACrashInterruptedAreLostNotUnknown) {
    const TemporaryDirectory directory;
    const TemporaryDirectory image;  // what the disk has at the moment of the crash
    std::string running;
    std::string stopped;
    {
        BatchServer server(directory.path());
        stopped = BatchServer::id_of(server.command("run agg:count name=stopped"));
        server.command("stop stopped");
        server.world.run_all();
        running =
            BatchServer::id_of(server.command("run agg:count,max(size) prefix=a\tb name=gone"));
        std::filesystem::copy(directory.path(), image.path(),
                              std::filesystem::copy_options::recursive |
                                  std::filesystem::copy_options::overwrite_existing);
    }
    BatchServer server(image.path());
    EXPECT_THAT(server.command("stat " + running),
                AllOf(HasSubstr("state=lost"), HasSubstr("name=gone"),
                      HasSubstr("reason=the server ended")));
    EXPECT_THAT(server.command("list"),
                AllOf(HasSubstr("\"pipeline\":\"agg:count,max(size)\""), HasSubstr("a\\u0009b")));
    EXPECT_THAT(server.command("stat stopped"), HasSubstr("state=stopped"));
    EXPECT_THAT(server.command("get gone"), StartsWith("NS the job was lost"));
    server.command("drop gone");
    EXPECT_EQ(server.command("stat gone"), "NF\r\n");
}

TEST(JobHistoryTest, ADroppedFailureIsForgottenAfterARestartToo) {
    const TemporaryDirectory directory;
    {
        BatchServer server(directory.path());
        fill_packages(server.world);
        EXPECT_THAT(server.run("by:key|agg:count groups=2 name=f"), HasSubstr("state=failed"));
        EXPECT_THAT(server.run("by:key|agg:count groups=3 name=g"), HasSubstr("state=failed"));
        server.command("drop f");
    }
    BatchServer server(directory.path());
    EXPECT_EQ(server.command("stat f"), "NF\r\n");
    EXPECT_THAT(server.command("stat g"), AllOf(HasSubstr("state=failed"), HasSubstr("3 groups")));
}

TEST(JobHistoryTest, ADamagedJournalIsNoReasonNotToStart) {
    const TemporaryDirectory directory;
    {
        BatchServer server(directory.path());
    }
    std::ofstream(directory.path() + "/jobs", std::ios::app) << "x";
    BatchServer server(directory.path());
    EXPECT_EQ(server.command("list"), "EN done\r\n");
}

TEST(JobHistoryTest, AResultIsForgottenWhenItsTimeIsOver) {
    BatchServer server;
    const std::string id = BatchServer::id_of(server.run("agg:count ttl=60"));
    EXPECT_THAT(server.command("stat " + id), HasSubstr("state=done"));
    EXPECT_EQ(server.world.control.timers(), 1u);
}

// ---- what is looked at, how fast ----

TEST(JobOptionsTest, SomeShardsAndAllOthersMakeAll) {
    for (const std::string view : {"start", "live"}) {
        BatchServer server;
        fill_packages(server.world);
        const auto count = [&](const std::string& shards) {
            const std::string status = server.run("agg:count view=" + view + shards);
            EXPECT_THAT(status, HasSubstr("state=done"));
            const auto at = status.find("scanned=") + 8;
            return std::stoul(status.substr(at));
        };
        EXPECT_EQ(count(""), 901u);
        EXPECT_EQ(count(" shards=0-1,3") + count(" shards=2"), 901u);
        EXPECT_THAT(server.command("run agg:count shards=4"), HasSubstr("there are 4"));
        EXPECT_EQ(server.world.pinned_bytes(), 0u);
    }
}

TEST(JobOptionsTest, ALiveJobCanBeStoppedAtAnyPoint) {
    for (unsigned steps = 0; steps < 40; ++steps) {
        BatchServer server;
        fill_packages(server.world);
        std::minstd_rand random(steps + 1);
        const std::string id = BatchServer::id_of(server.command("run agg:count view=live"));
        for (unsigned n = 0; n < steps && server.world.step(random); ++n) {
        }
        server.submit("stop " + id);
        while (server.world.step(random)) {
        }
        EXPECT_THAT(server.command("stat " + id), ContainsRegex("state=(stopped|done)"));
        EXPECT_EQ(server.world.pinned_bytes(), 0u);
    }
}

TEST(JobOptionsTest, AShareOfTheProcessorBringsThreadsOfItsOwn) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.command("run agg:count cpu=25%"));
    // What it may not use of the time, it rests.
    for (int turns = 0; turns < 1000; ++turns) {
        server.world.run_all();
        server.world.control.advance(std::chrono::milliseconds(1));
    }
    server.world.run_all();
    EXPECT_EQ(server.last_percent, 25u);
    EXPECT_THAT(server.command("stat " + id), HasSubstr("state=done"));
}

TEST(JobPaceTest, HoldsAllLanesToTheRateTogether) {
    constexpr std::uint64_t kMs = 1'000'000;
    JobPace pace({.items_per_s = 1000, .bytes_per_s = 0, .cpu_percent = 0});
    pace.lane_started(5 * kMs);
    EXPECT_EQ(pace.items_at_once(8192), 10u);
    EXPECT_EQ(pace.wait_ns(5 * kMs), 0u);
    pace.charge(10, 1 << 20, 0);
    pace.charge(10, 1 << 20, 0);
    EXPECT_EQ(pace.wait_ns(5 * kMs), 20 * kMs);
    EXPECT_EQ(pace.wait_ns(24 * kMs + kMs / 2), 0u) << "too short for a timer";
    // Starved for ten seconds: it may catch up with one of them.
    EXPECT_EQ(pace.wait_ns(10'025 * kMs), 0u);
    pace.charge(1500, 0, 0);
    EXPECT_EQ(pace.wait_ns(10'025 * kMs), 500 * kMs);
}

TEST(JobPaceTest, HoldsAllLanesToTheirShareOfTheProcessor) {
    constexpr std::uint64_t kMs = 1'000'000;
    JobPace pace({.items_per_s = 0, .bytes_per_s = 0, .cpu_percent = 25});
    pace.lane_started(1);
    pace.lane_started(1);
    pace.charge(1, 1, 10 * kMs);
    EXPECT_EQ(pace.wait_ns(1 + 5 * kMs), 15 * kMs);
}

TEST(JobOptionsTest, ErrorsAreSkippedOrStopTheJob) {
    BatchServer server;
    fill_packages(server.world);
    EXPECT_THAT(server.run("agg:sum($.size) errors=skip"),
                AllOf(HasSubstr("state=done"), HasSubstr("failed=1")));
    EXPECT_THAT(server.run("agg:sum($.size) errors=stop"), HasSubstr("state=failed"));
}

// ---- where rows go ----

TEST(JobTargetTest, RowsBecomeItems) {
    BatchServer server;
    fill_packages(server.world);
    const std::string status = server.run("by:$.section|agg:count prefix=pkg: to=items:count:");
    EXPECT_THAT(status, AllOf(HasSubstr("state=done"), HasSubstr("rows=3"), HasSubstr("acted=3")));
    EXPECT_EQ(value_of(server.world, "count:admin"), "{\"count\":300}");
    EXPECT_EQ(value_of(server.world, "count:x11"), "{\"count\":300}");
    EXPECT_EQ(server.command("get " + BatchServer::id_of(status)),
              "NS the rows are items, to=items:count:\r\n");
}

TEST(JobTargetTest, RowsThatBecomeItemsLiveAsLongAsTheResultWould) {
    BatchServer server;
    fill_packages(server.world);
    EXPECT_THAT(server.run("by:$.section|agg:count prefix=pkg: to=items:count: ttl=60"),
                HasSubstr("acted=3"));
    const store::HashedKey key{"count:x11", base::hash_key("count:x11")};
    const auto shard = server.world.shards.lock(server.world.shards.shard_of(key.hash));
    EXPECT_TRUE(shard->find(key, ManualWorld::kNow + 59));
    EXPECT_FALSE(shard->find(key, ManualWorld::kNow + 60));
}

TEST(JobTargetTest, ManyRowsBecomeItemsAndARowThatCannotFailsTheJob) {
    BatchServer server;
    for (int n = 0; n < 5000; ++n) server.world.set("k" + std::to_string(n), "v");
    EXPECT_THAT(server.run("by:key|agg:count to=items:row:"),
                AllOf(HasSubstr("state=done"), HasSubstr("acted=5000")));
    EXPECT_EQ(value_of(server.world, "row:k4999"), "{\"count\":1}");
    server.world.set("long", "{\"g\":\"" + std::string(300, 'g') + "\"}");
    EXPECT_THAT(server.run("by:$.g|agg:count prefix=long to=items:r:"),
                AllOf(HasSubstr("state=failed"), HasSubstr("1 of 1 rows could not")));
}

TEST(JobTargetTest, AResultSnapshotHasTheNameItWasGiven) {
    const TemporaryDirectory directory;
    std::string id;
    {
        BatchServer server(directory.path(), 1);
        fill_packages(server.world);
        id = BatchServer::id_of(server.run("agg:count to=snapshot:daily"));
        EXPECT_TRUE(std::filesystem::exists(directory.path() + "/result-daily"));
        EXPECT_THAT(server.command("run agg:sum(size) to=snapshot:daily"),
                    HasSubstr("is the result of job " + id));
        server.run("agg:count");
        server.run("agg:count");
        EXPECT_THAT(server.command("get " + id), HasSubstr("901")) << "history=1 leaves it alone";
    }
    BatchServer server(directory.path());
    EXPECT_THAT(server.command("get " + id), HasSubstr("901"));
    EXPECT_THAT(server.command("drop " + id), HasSubstr("state=dropped"));
    EXPECT_FALSE(std::filesystem::exists(directory.path() + "/result-daily"));
}

TEST(JobTargetTest, ASnapshotNeedsADirectory) {
    BatchServer server;
    EXPECT_THAT(server.command("run agg:count to=snapshot:x"), HasSubstr("-o snapshot_dir="));
}

TEST(JobPartialTest, PartialsOfSomeShardsMergeToTheWhole) {
    BatchServer server;
    fill_packages(server.world);
    const std::string pipeline = "by:$.section|agg:count,sum($.size) prefix=pkg:";
    const std::string whole = server.command("get " + BatchServer::id_of(server.run(pipeline)));
    EXPECT_THAT(server.run(pipeline + " shards=0,2 partial=save to=items:part:"),
                HasSubstr("state=done"));
    EXPECT_THAT(server.run(pipeline + " shards=1,3 partial=save to=items:part:"),
                HasSubstr("state=done"));
    const std::string merged = server.run(pipeline + " partial=merge:part:");
    EXPECT_THAT(merged, HasSubstr("state=done"));
    EXPECT_EQ(server.command("get " + BatchServer::id_of(merged)), whole);
    EXPECT_THAT(
        server.run("agg:count partial=merge:part:"),
        AllOf(HasSubstr("state=failed"), HasSubstr("not a saved partial of this pipeline")));
}

// ---- pages ----

TEST(JobPagesTest, APageIsBoundedInRowsAndBytes) {
    BatchServer server;
    for (int n = 0; n < 100; ++n) server.world.set(fmt::format("k{:02}", n), "v");
    const std::string id = BatchServer::id_of(server.run("by:key|agg:count"));
    EXPECT_THAT(server.command("get " + id + " bytes=40"), HasSubstr("EN more=2\r\n"));
    EXPECT_THAT(server.command("get " + id + " rows=10 time=1000"), HasSubstr("EN more=10\r\n"));
    EXPECT_THAT(server.command("get " + id + " bytes=0"), StartsWith("CLIENT_ERROR "));
    EXPECT_THAT(server.command("get " + id + " from=99"), HasSubstr("EN done\r\n"));
}

TEST(JobPagesTest, APageIsBoundedInTime) {
    BatchServer server;
    for (int n = 0; n < 100; ++n) server.world.set(fmt::format("k{:02}", n), "v");
    const std::string id = BatchServer::id_of(server.run("by:key|agg:count"));
    BatchServer::look_ns = 1'000'000;
    EXPECT_THAT(server.command("get " + id + " time=5"), HasSubstr("EN more=5\r\n"));
    EXPECT_THAT(server.command("get " + id + " from=90 time=60"), HasSubstr("EN done\r\n"));
    BatchServer::look_ns = 0;
}

// ---- acting ----

TEST(ActingJobTest, DeletesWhatMatches) {
    BatchServer server;
    fill_packages(server.world);
    EXPECT_THAT(server.run("where:$.section='x11'|delete prefix=pkg: dry=1"),
                AllOf(HasSubstr("matched=300"), Not(HasSubstr("acted"))));
    EXPECT_EQ(value_of(server.world, "pkg:2").has_value(), true);
    const std::string status = server.run("where:$.section='x11'|delete prefix=pkg:");
    EXPECT_THAT(status, HasSubstr("acted=300 gone=0 changed=0 refused=0"));
    EXPECT_EQ(value_of(server.world, "pkg:2"), std::nullopt);
    EXPECT_TRUE(value_of(server.world, "pkg:0").has_value());
    EXPECT_THAT(server.command("get " + BatchServer::id_of(status)),
                HasSubstr("kdelete\r\n{\"matched\":300,\"acted\":300,\"gone\":0,"));
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

TEST(ActingJobTest, ADryRunShowsWhatWouldBeDone) {
    BatchServer server;
    for (int n = 0; n < 30; ++n) server.world.set(fmt::format("k{:02}", n), std::string(10, 'v'));
    const std::string status = server.run("delete prefix=k dry=1");
    EXPECT_THAT(status, AllOf(HasSubstr("matched=30"), HasSubstr("rows=11")));
    const std::string rows = server.command("get " + BatchServer::id_of(status));
    EXPECT_THAT(rows,
                AllOf(HasSubstr("kdelete\r\n{\"matched\":30,\"acted\":0,\"gone\":0,\"changed\":0,"
                                "\"refused\":0,\"bytes\":390,\"dry\":1}"),
                      HasSubstr("kk00\r\n{\"bytes\":13}"), HasSubstr("kk09\r\n"),
                      Not(HasSubstr("kk10\r\n"))));
    // What a copy could not do is known before, too.
    server.world.set("k" + std::string(240, 'x'), "v");
    EXPECT_THAT(
        server.command("get " + BatchServer::id_of(server.run("copy:'0123456789' prefix=k dry=1"))),
        HasSubstr("\"refused\":1,\"bytes\":390,"));
    EXPECT_EQ(value_of(server.world, "k00"), std::string(10, 'v'));
}

TEST(ActingJobTest, TouchesAndCopies) {
    BatchServer server;
    server.world.set("a:1", "one");
    server.world.set("a:2", "two", ManualWorld::kNow + 50);
    EXPECT_THAT(server.run("touch:100 prefix=a:"), HasSubstr("acted=2"));
    EXPECT_THAT(server.run("where:ttl=100|copy:'b:',0 prefix=a:"), HasSubstr("acted=2"));
    EXPECT_EQ(value_of(server.world, "b:a:1"), "one");
    EXPECT_EQ(value_of(server.world, "b:a:2"), "two");
    EXPECT_THAT(server.run("where:!exists(ttl)|agg:count"), HasSubstr("matched=2"));
    EXPECT_THAT(server.run("copy:'b:' prefix=a:"), HasSubstr("acted=0 gone=0 changed=2"));
    EXPECT_THAT(server.command("run agg:count dry=1"), StartsWith("CLIENT_ERROR dry=1 is for"));
}

/// At every kind of moment: nothing that was stored, touched or replaced after the cut is deleted,
/// and nothing that was not is left.
TEST(ActingJobTest, LeavesAloneWhatHasChangedSinceTheCut) {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        std::minstd_rand random(seed);
        BatchServer server;
        ManualWorld& world = server.world;
        std::set<std::string> keys;
        for (int n = 0; n < 3000; ++n) {
            keys.insert("k" + std::to_string(n));
            world.set("k" + std::to_string(n), std::string(100, 'o'));
        }
        const std::string id = BatchServer::id_of(server.command("run delete"));
        while (world.reactors[0].empty()) ASSERT_TRUE(world.control.run_one());
        ASSERT_TRUE(world.reactors[0].run_one());  // here all shards are cut
        std::map<std::string, std::string> changed;
        do {
            for (auto n = random() % 20; n > 0; --n) {
                const std::string key = "k" + std::to_string(random() % 4000);
                // Of the same size as well: that may overwrite in place once the pin is gone.
                const std::string value(random() % 2 == 0 ? 100 : random() % 200, 'n');
                if (random() % 4 == 0) {
                    world.erase(key);
                    changed.erase(key);
                } else {
                    world.set(key, value);
                    changed[key] = value;
                }
            }
        } while (world.step(random));
        EXPECT_THAT(server.command("stat " + id), HasSubstr("state=done")) << "seed " << seed;
        for (const auto& [key, value] : changed) ASSERT_EQ(value_of(world, key), value) << key;
        for (const std::string& key : keys) {
            if (changed.contains(key)) continue;
            ASSERT_EQ(value_of(world, key), std::nullopt) << key;
        }
        EXPECT_EQ(world.pinned_bytes(), 0u);
    }
}

TEST(ActingJobTest, AStoppedJobChangesNothingMore) {
    for (unsigned steps = 0; steps < 60; steps += 3) {
        BatchServer server;
        for (int n = 0; n < 3000; ++n) server.world.set("k" + std::to_string(n), "v");
        std::minstd_rand random(steps + 1);
        const std::string id = BatchServer::id_of(server.command("run delete"));
        for (unsigned n = 0; n < steps && server.world.step(random); ++n) {
        }
        server.submit("stop " + id);
        const std::string before = server.run("agg:count");
        while (server.world.step(random)) {
        }
        EXPECT_THAT(server.command("stat " + id), ContainsRegex("state=(stopped|done)"));
        EXPECT_EQ(server.world.pinned_bytes(), 0u);
    }
}

}  // namespace
}  // namespace shardmill::engine
