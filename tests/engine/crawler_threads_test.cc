// A dump on real threads, beside writers.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "control_fakes.h"
#include "engine/crawler_commands.h"
#include "runtime/worker_pool.h"
#include "thread_queue.h"

namespace shardmill::engine {
namespace {

/// A control thread whose timers never fire.
class PatientControl final : public ControlQueue {
 public:
    void post(runtime::Task task) override { queue_.post(std::move(task)); }
    TimerId post_after(std::chrono::milliseconds, runtime::Task) override { return 1; }
    void cancel(TimerId) noexcept override {}
    void drain() { queue_.drain(); }

 private:
    ThreadQueue queue_;
};

/// A client with a thread of its own that reads what it is sent, one push after the other.
class ThreadReplier final : public net::Replier {
 public:
    void reply(net::ConnectionId, std::string bytes) override {
        reader_.post([this, bytes = std::move(bytes)] {
            output += bytes;
            ended = true;
            ended.notify_one();
        });
    }
    void push(net::ConnectionId, std::string bytes, net::Delivered delivered) override {
        reader_.post([this, bytes = std::move(bytes), delivered = std::move(delivered)]() mutable {
            output += bytes;
            delivered(true);
        });
    }
    std::string output;
    std::atomic<bool> ended{false};

 private:
    ThreadQueue reader_;
};

TEST(CrawlerThreadsTest, DumpsOneMomentWhileOthersReadWriteAndRest) {
    constexpr int kItems = 20000;
    ManualWorld world({.memory_limit = 64u << 20, .shards = 4, .reactors = 2});
    for (int n = 0; n < kItems; ++n) world.set("key:" + std::to_string(n), "value");
    ServerCounters counters;
    ThreadReplier replier;
    {
        ThreadQueue reactor_0;
        ThreadQueue reactor_1;
        PatientControl control;
        runtime::WorkerPool workers({.threads = 2, .name = "test", .idle_priority = false});
        ScanDriver scans({.shards = &world.shards,
                          .reactors = {&reactor_0, &reactor_1},
                          .control = &control,
                          .workers = &workers,
                          .lanes = 2});
        CrawlerCommands crawler({.control = &control,
                                 .scans = &scans,
                                 .shards = &world.shards,
                                 .reactors = {&reactor_0, &reactor_1},
                                 .replier = &replier,
                                 .counters = &counters,
                                 .limits = {}});
        std::atomic<bool> stop{false};
        std::jthread writer([&] {
            std::minstd_rand random(7);
            for (int n = 0; !stop; ++n) {
                world.erase("key:" + std::to_string(random() % kItems));
                world.set("new:" + std::to_string(n % 1000), std::to_string(n));
            }
        });
        control.post([&] { crawler.execute("metadump all", {0, 7, 1}); });
        replier.ended.wait(false);
        stop = true;
        writer.join();
        control.drain();
        std::atomic<bool> idle{false};
        control.post([&] {
            scans.when_idle([&idle] {
                idle = true;
                idle.notify_one();
            });
        });
        idle.wait(false);
        control.drain();
    }
    EXPECT_TRUE(replier.output.starts_with("OK\r\n"));
    EXPECT_TRUE(replier.output.ends_with("END\r\n"));
    std::set<std::string> keys;
    std::istringstream lines(replier.output);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("key=")) continue;
        EXPECT_TRUE(keys.insert(line.substr(0, line.find(' '))).second) << line;
    }
    EXPECT_GT(keys.size(), 1000u);
    EXPECT_EQ(world.pinned_bytes(), 0u);
}

}  // namespace
}  // namespace shardmill::engine
