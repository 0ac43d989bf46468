// A job's answer is of one moment, and every item of it counts once, whatever happens before, at
// and after that moment.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "batch_server.h"
#include "runtime/worker_pool.h"
#include "thread_queue.h"

namespace shardmill::engine {
namespace {

using ::testing::HasSubstr;
using Items = std::map<std::string, std::string>;

constexpr int kKeys = 9000;

class JobModelTest : public ::testing::TestWithParam<unsigned> {
 protected:
    std::string key() { return "key:" + std::to_string(random_() % kKeys); }

    void set(const std::string& name) {
        const auto kind = random_() % 100;
        const std::size_t bytes = kind == 0 ? random_() % 60'000 : random_() % 2500;
        const std::uint32_t exptime = kind < 5 ? ManualWorld::kNow  // over as soon as it is there
                                      : kind < 30 ? ManualWorld::kNow + 1000
                                                  : 0;
        server_.world.set(name, std::to_string(++version_) + std::string(bytes, 'v'), exptime);
    }

    /// As incr does it: over the old number where that is allowed.
    void change(const std::string& name) {
        with(name, [this](store::Shard& shard, const auto& hashed, const auto& existing) {
            const std::string number = std::to_string(++version_);
            if (!existing || shard.overwrite_value(*existing, number)) return;
            (void)shard.put({.key = hashed, .value_head = number, .value_tail = {}}, &*existing,
                            ManualWorld::kNow);
        });
    }

    void touch(const std::string& name) {
        with(name, [](store::Shard& shard, const auto&, const auto& existing) {
            if (!existing) return;
            shard.bump(*existing, ManualWorld::kNow);
            (void)shard.set_exptime(*existing, ManualWorld::kNow + 5000, ManualWorld::kNow);
        });
    }

    template <typename Work>
    void with(const std::string& name, const Work& work) {
        const store::HashedKey hashed{name, base::hash_key(name)};
        store::ShardSet& shards = server_.world.shards;
        const auto shard = shards.lock(shards.shard_of(hashed.hash));
        work(*shard, hashed, shard->find(hashed, ManualWorld::kNow));
    }

    void act() {
        store::ShardSet& shards = server_.world.shards;
        switch (random_() % 40) {
            case 0:
            case 1:
            case 2:
            case 3:
                return server_.world.erase(key());
            case 4:
            case 5:
            case 6:
                return change(key());
            case 7:
            case 8:
                return touch(key());
            case 9:
                (void)shards.lock(static_cast<std::uint32_t>(random_() % shards.size()))
                    ->housekeep(ManualWorld::kNow);
                return;
            case 10:
                if (random_() % 20 == 0) (void)shards.set_memory_limit((8 + random_() % 10) << 20);
                if (random_() % 100 == 0) {
                    shards.lock(static_cast<std::uint32_t>(random_() % shards.size()))
                        ->flush_all(ManualWorld::kNow, ManualWorld::kNow);
                }
                return;
            default:
                return set(key());
        }
    }
    void act_often(unsigned times) {
        for (auto n = random_() % times; n > 0; --n) act();
    }

    Items contents() {
        Items all;
        for (int n = 0; n < kKeys; ++n) {
            const std::string name = "key:" + std::to_string(n);
            with(name, [&](store::Shard&, const auto&, const auto& found) {
                if (found) all.emplace(name, found->view.value);
            });
        }
        return all;
    }

    /// The rows of `export`, by `batch get`.
    Items rows_of(const std::string& job) {
        Items rows;
        for (std::string from = "0";;) {
            const std::string page = server_.command("get " + job + " from=" + from);
            std::size_t at = 0;
            while (page.compare(at, 3, "VA ") == 0) {
                const std::size_t line_end = page.find("\r\n", at);
                const std::size_t bytes = std::stoul(page.substr(at + 3));
                const std::size_t key_at = page.find(" k", at) + 2;
                const std::string key =
                    page.substr(key_at, page.find_first_of(" \r", key_at) - key_at);
                const bool is_new = rows.emplace(key, page.substr(line_end + 2, bytes)).second;
                EXPECT_TRUE(is_new) << key << " was seen twice";
                at = line_end + 2 + bytes + 2;
            }
            if (page.compare(at, 8, "EN more=") != 0) {
                EXPECT_EQ(page.substr(at), "EN done\r\n");
                return rows;
            }
            from = page.substr(at + 8, page.find('\r', at) - at - 8);
        }
    }

    std::minstd_rand random_{GetParam()};
    int version_ = 0;
    BatchServer server_;
};

TEST_P(JobModelTest, SeesEveryItemOfItsMomentOnce) {
    ManualWorld& world = server_.world;
    ASSERT_TRUE(world.shards.set_memory_limit(10u << 20));
    int answered = 0;
    for (int round = 0; round < 6; ++round) {
        act_often(20'000);
        const std::string accepted = server_.command("run export");
        ASSERT_TRUE(accepted.starts_with("HD ")) << accepted;
        const std::string job = BatchServer::id_of(accepted);
        while (world.reactors[0].empty()) ASSERT_TRUE(world.control.run_one());
        act_often(100);
        ASSERT_TRUE(world.reactors[0].run_one());  // here all shards are cut
        const Items at_the_cut = contents();
        const unsigned pace = round % 2 == 0 ? 20 : 100;
        do {
            act_often(pace);
        } while (world.step(random_));
        const std::string status = server_.command("stat " + job);
        if (status.find("state=failed") != std::string::npos) {
            // More was overwritten than may be kept for it: told, not answered shorter.
            EXPECT_THAT(status, HasSubstr("raise -m"));
            continue;
        }
        ASSERT_THAT(status, HasSubstr("state=done"));
        ASSERT_TRUE(rows_of(job) == at_the_cut) << "round " << round;
        EXPECT_EQ(world.pinned_bytes(), 0u);
        ++answered;
    }
    EXPECT_GT(answered, 0);
    std::uint64_t evictions = 0;
    for (std::uint32_t shard = 0; shard < world.shards.size(); ++shard) {
        evictions += world.shards.lock(shard)->stats().evictions;
    }
    EXPECT_GT(evictions, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, JobModelTest, ::testing::Range(1u, 9u));

/// Jobs beside writers, with real threads.
class JobThreadsTest : public ::testing::Test {
 protected:
    static constexpr int kWriters = 2;
    static constexpr int kPairs = 1500;  // of each writer

    void set(const std::string& key, const std::string& value) {
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = shards_.lock(shards_.shard_of(hashed.hash));
        const auto existing = shard->find(hashed, 1000);
        const store::NewItem item{.key = hashed, .value_head = value, .value_tail = {}};
        ASSERT_TRUE(shard->put(item, existing ? &*existing : nullptr, 1000).has_value());
    }
    /// First one half, then the other: their sum is 0 but in between.
    void write(int writer, int pair, int version) {
        const std::string name = std::to_string(writer) + "-" + std::to_string(pair);
        set("a:" + name, std::to_string(version));
        set("b:" + name, std::to_string(-version));
    }
    std::vector<compute::Row> run(const std::string& pipeline);

    store::ShardSet shards_{{.memory_limit = 64u << 20, .shards = 8, .reactors = 2}};
    compute::Registry registry_ = compute::Registry::with_builtins();
    JobResults results_{nullptr};
    JobJournal journal_{nullptr};
    ThreadQueue reactor_0_;
    ThreadQueue reactor_1_;
    ThreadControl control_;
    runtime::WorkerPool workers_{{.threads = 2, .name = "test", .idle_priority = false}};
    ScanDriver scans_{{.shards = &shards_,
                       .reactors = {&reactor_0_, &reactor_1_},
                       .control = &control_,
                       .workers = &workers_,
                       .lanes = 2}};
    JobManager jobs_{{.control = &control_,
                      .scans = &scans_,
                      .registry = &registry_,
                      .results = &results_,
                      .journal = &journal_,
                      .shards = shards_.size(),
                      .lanes = 2}};
};

/// Runs a job to its end; its rows.
std::vector<compute::Row> JobThreadsTest::run(const std::string& pipeline) {
    std::vector<compute::Row> rows;
    std::atomic<bool> ended{false};
    control_.post([&] {
        const std::string line = "run " + pipeline;
        const auto command = parse_batch(line, {});
        SHARDMILL_ASSERT(command.has_value());
        const auto id = jobs_.run(*command);
        SHARDMILL_ASSERT(id.has_value());
        jobs_.wait(*id, {0, 1, 1}, std::nullopt, [&](const JobStatus& status) {
            EXPECT_EQ(status.state, JobState::Done) << status.reason;
            (void)results_.read(status, 0, status.figures.rows, [&](const snapshot::Item& row) {
                rows.push_back({std::string(row.key), std::string(row.value)});
                return true;
            });
            ended = true;
            ended.notify_one();
        });
    });
    ended.wait(false);
    control_.drain();
    return rows;
}

TEST_F(JobThreadsTest, SumsThatWritersKeepAtZeroAreZeroInEveryAnswer) {
    for (int writer = 0; writer < kWriters; ++writer) {
        for (int pair = 0; pair < kPairs; ++pair) write(writer, pair, 1);
    }
    std::atomic<bool> stop{false};
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back([&, writer] {
            std::minstd_rand random(static_cast<unsigned>(writer + 1));
            for (int version = 2; !stop; ++version)
                write(writer, static_cast<int>(random() % kPairs), version);
        });
    }
    for (int job = 0; job < 5; ++job) {
        const auto all = run("agg:count");
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all.front().value, fmt::format(R"({{"count":{}}})", 2 * kWriters * kPairs));
        // A writer is in the middle of one pair at most.
        EXPECT_LE(run("by:key(:,2)|agg:count,sum(value)|having:sum!=0").size(),
                  static_cast<std::size_t>(kWriters));
        EXPECT_TRUE(run("by:key(:,2)|agg:count|having:count!=2").empty());
    }
    stop = true;
    writers.clear();
    EXPECT_TRUE(run("by:key(:,2)|agg:sum(value)|having:sum!=0").empty());
}

}  // namespace
}  // namespace shardmill::engine
