#include "engine/batch_commands.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "batch_server.h"
#include "temporary_directory.h"

namespace shardmill::engine {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kBySection = "by:$.section|agg:count,sum($.size) prefix=pkg:";

TEST(BatchCommandsTest, AJobIsQueuedRunAndDone) {
    BatchServer server;
    fill_packages(server.world);
    server.submit(std::string("run ") + kBySection);
    const std::string accepted = *server.last_reply();
    EXPECT_THAT(accepted, ContainsRegex("^HD [0-9a-f]+-1 state=queued\r\n$"));
    const std::string id = BatchServer::id_of(accepted);
    EXPECT_THAT(server.command("stat " + id), StartsWith("HD " + id + " state=running percent=0 "));
    server.world.run_all();
    EXPECT_THAT(
        server.command("stat " + id),
        ContainsRegex(
            "^HD " + id +
            " state=done percent=100 scanned=901 matched=900 failed=0 bytes=[0-9]+ ms=[0-9]+ "
            "shards=4/4 rows=3 .*\r\n$"));
    EXPECT_EQ(server.command("get " + id),
              "VA 34 kadmin\r\n{\"count\":300,\"sum($.size)\":134550}\r\n"
              "VA 34 kdevel\r\n{\"count\":300,\"sum($.size)\":134850}\r\n"
              "VA 34 kx11\r\n{\"count\":300,\"sum($.size)\":135150}\r\n"
              "EN done\r\n");
}

TEST(BatchCommandsTest, RowsComeInPages) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.run(kBySection));
    EXPECT_THAT(server.command("get " + id + " rows=2"),
                AllOf(HasSubstr("kadmin"), HasSubstr("kdevel"), HasSubstr("EN more=2\r\n")));
    EXPECT_THAT(server.command("get " + id + " from=2 rows=2"),
                AllOf(StartsWith("VA 34 kx11\r\n"), HasSubstr("EN done\r\n")));
    EXPECT_EQ(server.command("get " + id + " from=3"), "EN done\r\n");
    EXPECT_EQ(server.command("get " + id + " from=99"), "EN done\r\n");
}

TEST(BatchCommandsTest, APageIsBoundedInBytes) {
    BatchServer server;
    for (int n = 0; n < 5; ++n) {
        server.world.set("k" + std::to_string(n),
                         "{\"g\":\"" + std::string(50000, static_cast<char>('a' + n)) + "\"}");
    }
    for (int n = 0; n < 20; ++n) {
        server.world.set("g" + std::to_string(n),
                         "{\"g\":\"" + std::string(60000, static_cast<char>('a' + n)) + "\"}");
    }
    const std::string status = server.run("by:$.g|agg:count");
    ASSERT_THAT(status, HasSubstr("rows=25 "));
    const std::string id = BatchServer::id_of(status);
    std::size_t from = 0;
    int pages = 0;
    for (;;) {
        const std::string page = server.command(fmt::format("get {} from={}", id, from));
        EXPECT_LE(page.size(), (1u << 20) + 70000);
        ++pages;
        const auto more = page.rfind("EN more=");
        if (more == std::string::npos) break;
        from = std::stoul(page.substr(more + 8));
    }
    EXPECT_EQ(pages, 2);
}

TEST(BatchCommandsTest, KeysThatAreNotPlainTextAreSentInBase64) {
    BatchServer server;
    server.world.set("k", R"({"g":"a b"})");
    const std::string id = BatchServer::id_of(server.run("by:$.g|agg:count"));
    EXPECT_EQ(server.command("get " + id), "VA 11 kYSBi b\r\n{\"count\":1}\r\nEN done\r\n");
}

TEST(BatchCommandsTest, AnEmptyStoreHasAnEmptyResult) {
    BatchServer server;
    const std::string status = server.run("by:$.g|agg:count");
    EXPECT_THAT(status,
                AllOf(HasSubstr("state=done"), HasSubstr("scanned=0"), HasSubstr("rows=0")));
    EXPECT_EQ(server.command("get " + BatchServer::id_of(status)), "EN done\r\n");
}

TEST(BatchCommandsTest, LimitKeepsTheFirstRows) {
    BatchServer server;
    fill_packages(server.world);
    const std::string status = server.run(std::string(kBySection) + " limit=1");
    EXPECT_THAT(status, HasSubstr("rows=1 "));
    EXPECT_THAT(server.command("get " + BatchServer::id_of(status)),
                AllOf(StartsWith("VA 34 kadmin\r\n"), HasSubstr("EN done")));
}

TEST(BatchCommandsTest, WaitIsAnsweredWhenTheJobIsDone) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.command(std::string("run ") + kBySection));
    server.submit("wait " + id + " timeout=5000");
    EXPECT_FALSE(server.last_reply());
    server.world.run_all();
    EXPECT_THAT(*server.last_reply(), StartsWith("HD " + id + " state=done percent=100"));
    EXPECT_EQ(server.world.control.timers(), 0u);
    EXPECT_THAT(server.command("wait " + id), StartsWith("HD " + id + " state=done"));
}

TEST(BatchCommandsTest, WaitIsAnsweredWithTheStateWhenTheTimeIsUp) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.command(std::string("run ") + kBySection));
    server.submit("wait " + id + " timeout=5000");
    server.world.control.advance(std::chrono::milliseconds(4999));
    server.world.control.run_one();
    EXPECT_FALSE(server.last_reply());
    server.world.control.advance(std::chrono::milliseconds(1));
    while (server.world.control.run_one()) {
    }
    EXPECT_THAT(server.last_reply().value_or(""),
                AllOf(StartsWith("HD " + id + " state="), HasSubstr("percent=0")));
    server.world.run_all();
    EXPECT_FALSE(server.last_reply()) << "answered twice";
}

TEST(BatchCommandsTest, RunWithWaitIsAnsweredOnce) {
    BatchServer server;
    fill_packages(server.world);
    server.submit(std::string("run ") + kBySection + " wait=1000");
    EXPECT_FALSE(server.last_reply());
    server.world.run_all();
    EXPECT_THAT(*server.last_reply(), HasSubstr("state=done"));
}

TEST(BatchCommandsTest, AClosedConnectionIsNotAnswered) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.command(std::string("run ") + kBySection));
    server.submit("wait " + id + " timeout=9", {}, 2);
    server.submit("wait " + id, {}, 3);
    server.close(2);
    EXPECT_EQ(server.world.control.timers(), 0u);
    server.world.run_all();
    EXPECT_FALSE(server.last_reply(2));
    EXPECT_TRUE(server.last_reply(3));
}

TEST(BatchCommandsTest, RefusesWhatIsWrongAndSaysWhere) {
    BatchServer server;
    EXPECT_THAT(server.command("run nosuch:$.a"),
                AllOf(StartsWith("CLIENT_ERROR "), HasSubstr("at character ")));
    EXPECT_THAT(
        server.command("run agg:count bogus=1"),
        AllOf(StartsWith("CLIENT_ERROR "), HasSubstr("'bogus'"), HasSubstr("at character 21\r\n")));
    EXPECT_THAT(server.command("dance"), StartsWith("CLIENT_ERROR unknown batch verb 'dance'"));
    EXPECT_EQ(server.command("stat 1-1"), "NF\r\n");
    EXPECT_EQ(server.command("wait 1-1"), "NF\r\n");
    EXPECT_EQ(server.command("get 1-1"), "NF\r\n");
    EXPECT_EQ(server.command("stop 1-1"), "NF\r\n");
    EXPECT_EQ(server.command("drop 1-1"), "NF\r\n");
    EXPECT_EQ(server.command("list"), "EN done\r\n");
}

TEST(BatchCommandsTest, ANameStandsForTheYoungestJobOfThatName) {
    BatchServer server;
    fill_packages(server.world);
    const std::string first =
        BatchServer::id_of(server.command(std::string("run ") + kBySection + " name=n"));
    EXPECT_EQ(server.command("run agg:count name=n"), "EX " + first + "\r\n");
    server.world.run_all();
    const std::string second = BatchServer::id_of(server.run("agg:count name=n"));
    EXPECT_NE(first, second);
    EXPECT_THAT(server.command("stat n"), AllOf(StartsWith("HD " + second), HasSubstr(" name=n")));
    EXPECT_THAT(server.command("get n"), HasSubstr("{\"count\":901}"));
}

TEST(BatchCommandsTest, AQueuedJobCanBeStopped) {
    BatchServer server;
    for (std::size_t n = 0; n < JobManager::kMaxRunning; ++n) server.command("run agg:count");
    const std::string id = BatchServer::id_of(server.command("run agg:count"));
    EXPECT_THAT(server.command("stat " + id), HasSubstr("state=queued"));
    EXPECT_THAT(server.command("drop " + id), StartsWith("NS "));
    EXPECT_THAT(server.command("stop " + id), StartsWith("HD " + id + " state=stopped"));
    server.world.run_all();
    EXPECT_THAT(server.command("stat " + id), StartsWith("HD " + id + " state=stopped"));
    EXPECT_THAT(server.command("get " + id), StartsWith("NS "));
}

TEST(BatchCommandsTest, ARunningJobCanBeStopped) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.command("run agg:count"));
    for (int step = 0; step < 3; ++step) server.world.control.run_one();
    EXPECT_THAT(server.command("stat " + id), HasSubstr("state=running"));
    EXPECT_THAT(server.command("get " + id), StartsWith("NS "));
    server.submit("stop " + id);
    server.submit("wait " + id);
    server.world.run_all();
    EXPECT_THAT(*server.last_reply(), StartsWith("HD " + id + " state=stopped"));
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

TEST(BatchCommandsTest, ADeadlineFailsTheJobWithItsReason) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = BatchServer::id_of(server.command("run agg:count deadline=50"));
    for (int step = 0; step < 3; ++step) server.world.control.run_one();
    server.world.control.advance(std::chrono::milliseconds(50));
    server.world.control.run_one();
    server.world.run_all();
    EXPECT_THAT(server.command("stat " + id),
                AllOf(HasSubstr("state=failed"), HasSubstr("reason=deadline=50 was reached\r\n")));
}

TEST(BatchCommandsTest, BoundsFailTheJobWithTheirReason) {
    BatchServer server;
    fill_packages(server.world);
    EXPECT_THAT(server.run("by:$.size|agg:count prefix=pkg: groups=10"),
                AllOf(HasSubstr("state=failed"), HasSubstr("reason="), HasSubstr("10")));
    EXPECT_THAT(server.run("by:$.size|agg:count errors=0"),
                AllOf(HasSubstr("state=failed"), HasSubstr("errors=0")));
    EXPECT_THAT(server.run("by:$.size|agg:count errors=1"), HasSubstr("state=done"));
}

TEST(BatchCommandsTest, JobsOverTheNumberThatMayRunWait) {
    BatchServer server;
    fill_packages(server.world);
    std::vector<std::string> ids;
    for (int n = 0; n < 10; ++n) ids.push_back(BatchServer::id_of(server.command("run agg:count")));
    int running = 0;
    for (int step = 0; step < 14; ++step) server.world.control.run_one();
    for (const std::string& id : ids) {
        if (server.command("stat " + id).find("state=running") != std::string::npos) ++running;
    }
    EXPECT_EQ(running, static_cast<int>(JobManager::kMaxRunning));
    server.world.run_all();
    for (const std::string& id : ids)
        EXPECT_THAT(server.command("stat " + id), HasSubstr("state=done"));
}

TEST(BatchCommandsTest, ListShowsJobsYoungestFirst) {
    BatchServer server;
    fill_packages(server.world);
    const std::string first = BatchServer::id_of(server.run(kBySection));
    const std::string second = BatchServer::id_of(server.run("agg:count name=all"));
    const std::string list = server.command("list");
    EXPECT_THAT(list, AllOf(HasSubstr(" k" + first + "\r\n{\"state\":\"done\","),
                            HasSubstr("\"name\":\"all\""), HasSubstr("\"prefix\":\"pkg:\""),
                            HasSubstr("\r\nEN done\r\n")));
    EXPECT_LT(list.find(" k" + second), list.find(" k" + first));
}

TEST(BatchCommandsTest, ListsTheKernels) {
    BatchServer server;
    const std::string kernels = server.command("kernels");
    EXPECT_THAT(kernels, AllOf(HasSubstr(" kwordcount\r\n{"), HasSubstr(" ktopk\r\n{"),
                               HasSubstr("built-in"), HasSubstr("EN done\r\n")));
}

TEST(BatchCommandsTest, TakesThePipelineFromThePayload) {
    BatchServer server;
    server.world.set("k", R"({"g":"a b"})");
    const std::string accepted = server.command("run - payload=26", "where:$.g='a b'|agg:count");
    ASSERT_THAT(accepted, StartsWith("HD "));
    server.world.run_all();
    EXPECT_THAT(server.command("get " + BatchServer::id_of(accepted)), HasSubstr("{\"count\":1}"));
}

TEST(BatchCommandsTest, DropForgetsTheJobAndItsRows) {
    BatchServer server;
    const std::string id = BatchServer::id_of(server.run("agg:count"));
    EXPECT_EQ(server.command("drop " + id), "HD " + id + " state=dropped\r\n");
    EXPECT_EQ(server.command("get " + id), "NF\r\n");
}

TEST(BatchCommandsTest, TheHistoryIsBounded) {
    BatchServer server({}, 3);
    std::vector<std::string> ids;
    for (int n = 0; n < 5; ++n) ids.push_back(BatchServer::id_of(server.run("agg:count")));
    EXPECT_EQ(server.command("stat " + ids[1]), "NF\r\n");
    EXPECT_THAT(server.command("stat " + ids[2]), HasSubstr("state=done"));
    EXPECT_THAT(server.command("stat " + ids[4]), HasSubstr("state=done"));
}

TEST(BatchCommandsTest, ResultsInMemoryAreBounded) {
    BatchServer server({}, 100, 100);
    fill_packages(server.world);
    const std::string first = BatchServer::id_of(server.run(kBySection));
    EXPECT_THAT(server.command("get " + first), HasSubstr("EN done"));
    const std::string second = BatchServer::id_of(server.run(kBySection));
    EXPECT_EQ(server.command("get " + first), "NF\r\n");
    EXPECT_THAT(server.command("get " + second), HasSubstr("kadmin"));
}

TEST(BatchCommandsTest, StatsCountTheJobs) {
    BatchServer server;
    server.run("agg:count name=total");
    EXPECT_THAT(server.stats(),
                AllOf(HasSubstr("STAT batch_jobs 1\r\n"), HasSubstr("STAT batch_done 1\r\n"),
                      HasSubstr("-1 done 100% total\r\n"), HasSubstr("END\r\n")));
}

TEST(BatchCommandsTest, ResultsOnDiskAnswerAfterARestart) {
    const TemporaryDirectory directory;
    std::string id;
    std::string status;
    std::string rows;
    {
        BatchServer server(directory.path());
        fill_packages(server.world);
        status = server.run(std::string(kBySection) + " name=sections");
        id = BatchServer::id_of(status);
        rows = server.command("get " + id);
        ASSERT_THAT(rows, HasSubstr("kadmin"));
    }
    BatchServer server(directory.path());
    EXPECT_EQ(server.command("stat " + id), status);
    EXPECT_EQ(server.command("get sections"), rows);
    EXPECT_THAT(server.command("list"),
                HasSubstr("\"pipeline\":\"by:$.section|agg:count,sum($.size)\""));
    const std::string next = BatchServer::id_of(server.run("agg:count"));
    EXPECT_NE(next, id) << "ids go on where they ended";
    EXPECT_EQ(server.command("drop " + id), "HD " + id + " state=dropped\r\n");
}

TEST(BatchCommandsTest, ADroppedResultIsGoneAfterARestartToo) {
    const TemporaryDirectory directory;
    std::string id;
    {
        BatchServer server(directory.path());
        id = BatchServer::id_of(server.run("agg:count"));
        server.command("drop " + id);
    }
    BatchServer server(directory.path());
    EXPECT_EQ(server.command("stat " + id), "NF\r\n");
}

TEST(BatchCommandsTest, AStoppedServerLeavesNothingPinned) {
    BatchServer server;
    fill_packages(server.world);
    server.submit("run agg:count");
    for (int step = 0; step < 3; ++step) server.world.control.run_one();
    server.jobs.shut_down();
    EXPECT_THAT(server.command("run agg:count"), StartsWith("NS "));
    server.world.run_all();
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

}  // namespace
}  // namespace shardmill::engine
