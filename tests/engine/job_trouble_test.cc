// Jobs that meet bad luck: workers that do not come back, full disks, floods.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "batch_server.h"
#include "support/memory_file_system.h"

namespace shardmill::engine {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

void run_control(ManualWorld& world) {
    while (world.control.run_one()) {
    }
}

/// Begins a job and leaves its lanes with the workers.
std::string begin(BatchServer& server, const std::string& arguments) {
    const std::string id = BatchServer::id_of(server.command("run " + arguments));
    while (server.world.workers.empty()) {
        run_control(server.world);
        server.world.reactors[0].run_one();
        server.world.reactors[1].run_one();
    }
    return id;
}

TEST(JobTroubleTest, AJobIsStoppedThoughItsWorkersDoNotComeBack) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = begin(server, "agg:count");
    EXPECT_THAT(server.command("stop " + id), HasSubstr("state=running"));
    server.world.control.advance(std::chrono::milliseconds(50));
    run_control(server.world);
    EXPECT_THAT(server.command("stat " + id), HasSubstr("state=stopped"));
    EXPECT_EQ(server.replaced_workers, 0u) << "too early to give them up";
    server.world.control.advance(std::chrono::seconds(2));
    run_control(server.world);
    EXPECT_EQ(server.replaced_workers, 2u);
    EXPECT_EQ(server.command("drop " + id), "HD " + id + " state=dropped\r\n");

    server.world.run_all();  // now they do
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
    EXPECT_THAT(server.run("agg:count"), HasSubstr("state=done"));
}

TEST(JobTroubleTest, WorkersThatComeBackSoonAreNotReplaced) {
    BatchServer server;
    fill_packages(server.world);
    const std::string id = begin(server, "agg:count deadline=10");
    server.world.control.advance(std::chrono::milliseconds(10));
    run_control(server.world);
    server.world.control.advance(std::chrono::milliseconds(50));
    run_control(server.world);
    EXPECT_THAT(server.command("stat " + id),
                AllOf(HasSubstr("state=failed"), HasSubstr("reason=deadline=10 was reached")));
    server.world.run_all();
    server.world.control.advance(std::chrono::seconds(3));
    server.world.run_all();
    EXPECT_EQ(server.replaced_workers, 0u);
    EXPECT_EQ(server.world.control.timers(), 0u);
}

TEST(JobTroubleTest, APlanIsStoppedThoughItsWorkersDoNotComeBack) {
    BatchServer server;
    fill_packages(server.world);
    server.submit("plan agg:count name=p");
    while (server.world.workers.empty()) {
        run_control(server.world);
        server.world.reactors[0].run_one();
        server.world.reactors[1].run_one();
    }
    server.submit("stop p", {}, 2);
    server.world.control.advance(std::chrono::milliseconds(50));
    run_control(server.world);
    EXPECT_THAT(server.command("stat p"), HasSubstr("state=stopped"));
    server.world.run_all();
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
}

/// Whatever of the files fails from some moment on: the job says so or is done, others are served,
/// and what is told after a restart is what was told before.
TEST(JobTroubleTest, AFullDiskFailsTheJobAndNothingElse) {
    bool failed = true;
    for (std::uint64_t n = 0; failed; ++n) {
        testing::MemoryFileSystem files;
        std::string first;
        std::string second;
        std::string rows;
        {
            BatchServer server("/kept", 100, 256u << 20, files);
            fill_packages(server.world);
            files.fail_from(files.operations() + n, ENOSPC);
            const std::string status = server.run("by:$.section|agg:count");
            failed = status.find("state=done") == std::string::npos;
            SCOPED_TRACE("full from " + files.failed_operation() + ": " + status);
            first = BatchServer::id_of(status);
            if (failed) {
                EXPECT_THAT(status, AllOf(HasSubstr("state=failed"), HasSubstr("reason="),
                                          HasSubstr("/kept"), HasSubstr("No space left")));
                EXPECT_THAT(server.command("get " + first), StartsWith("NS the job has no result"));
            }
            EXPECT_EQ(server.world.pinned_bytes(), 0u);

            files.clear_faults();
            second = BatchServer::id_of(server.run("agg:count"));
            rows = server.command("get " + second);
            EXPECT_THAT(rows, HasSubstr("{\"count\":901}"));
        }
        BatchServer server("/kept", 100, 256u << 20, files);
        EXPECT_THAT(server.command("stat " + first),
                    HasSubstr(failed ? "state=failed" : "state=done"));
        EXPECT_EQ(server.command("get " + second), rows);
        ASSERT_LT(n, 100u);
    }
}

TEST(JobTroubleTest, AResultOverItsMemoryFailsTheJob) {
    BatchServer server;
    for (int n = 0; n < 5000; ++n) server.world.set("k" + std::to_string(n), "v");
    EXPECT_THAT(server.run("by:key|agg:count memory=100k"),
                AllOf(HasSubstr("state=failed"), HasSubstr("reason="), HasSubstr("memory")));
    EXPECT_EQ(server.world.pinned_bytes(), 0u);
    EXPECT_THAT(server.run("agg:count memory=100k"), HasSubstr("state=done"));
}

TEST(JobTroubleTest, AFloodOfJobsIsRefused) {
    BatchServer server;
    fill_packages(server.world);
    std::vector<std::string> accepted;
    std::string reply;
    while (accepted.size() < 1000) {
        reply = server.command("run agg:count");
        if (!reply.starts_with("HD ")) break;
        accepted.push_back(BatchServer::id_of(reply));
    }
    EXPECT_EQ(reply, "NS 256 jobs are waiting\r\n");
    EXPECT_LE(accepted.size(), JobManager::kMaxQueued + JobManager::kMaxRunning);
    server.world.run_all();
    EXPECT_THAT(server.command("stat " + accepted.back()), HasSubstr("state=done"));
    EXPECT_THAT(server.command("run agg:count"), StartsWith("HD "));
}

}  // namespace
}  // namespace shardmill::engine
