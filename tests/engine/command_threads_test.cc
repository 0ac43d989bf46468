#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "engine/executor.h"
#include "protocol/text_parser.h"

namespace shardmill::engine {
namespace {

constexpr int kThreads = 3;
constexpr int kRounds = 2000;

/// A reactor's part: its own counters and executor over the shared shards.
struct Reactor {
    Counters counters;
    std::unique_ptr<RequestExecutor> executor;
    net::ReplyArena arena;

    std::string ask(std::string_view bytes) {
        protocol::Request request;
        const auto parsed = protocol::parse_text(bytes, request);
        EXPECT_EQ(parsed.consumed, bytes.size());
        net::Operation operation{};
        operation.request = &request;
        operation.key = request.key;
        operation.last_of_request = true;
        arena.clear();
        executor->execute({&operation, 1}, arena);
        executor->housekeep();
        return arena.text;
    }
};

TEST(CommandThreadsTest, ReactorsShareShardsWithoutLosingAnUpdate) {
    store::ShardSet shards({.memory_limit = 32u << 20, .shards = 2});
    std::vector<Reactor> reactors(kThreads);
    std::vector<const Counters*> counters;
    for (const Reactor& reactor : reactors) counters.push_back(&reactor.counters);
    const config::Config config;
    RuntimeSettings settings(config);
    const ServerCounters server;
    Statistics statistics({.shards = &shards,
                           .config = &config,
                           .settings = &settings,
                           .server = &server,
                           .counters = counters});
    for (std::uint32_t i = 0; i < kThreads; ++i) {
        reactors[i].executor =
            std::make_unique<RequestExecutor>(ExecutorConfig{.reactor = i, .reactors = kThreads},
                                              ExecutorParts{.shards = &shards,
                                                            .counters = &reactors[i].counters,
                                                            .statistics = &statistics,
                                                            .settings = &settings});
    }
    ASSERT_EQ(reactors[0].ask("set n 0 0 1\r\n0\r\n"), "STORED\r\n");

    std::vector<std::thread> threads;
    for (Reactor& reactor : reactors) {
        threads.emplace_back([&reactor] {
            for (int round = 0; round < kRounds; ++round) {
                reactor.ask("incr n 1\r\n");
                reactor.ask("set k" + std::to_string(round % 50) + " 0 0 3\r\nabc\r\n");
                reactor.ask("get k" + std::to_string(round % 70) + "\r\n");
                if (round % 500 == 0) reactor.ask("stats\r\n");
            }
        });
    }
    for (std::thread& thread : threads) thread.join();

    const std::string total = std::to_string(kThreads * kRounds);
    EXPECT_EQ(reactors[1].ask("get n\r\n"),
              "VALUE n 0 " + std::to_string(total.size()) + "\r\n" + total + "\r\nEND\r\n");
    EXPECT_EQ(statistics.totals(0).count(Counter::IncrHits), std::uint64_t{kThreads} * kRounds);
    EXPECT_EQ(statistics.totals(0).store.items, 51u);
}

}  // namespace
}  // namespace shardmill::engine
