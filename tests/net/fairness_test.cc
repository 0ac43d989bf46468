// How connections share a turn.

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "running_server.h"

namespace shardmill::net {
namespace {

using namespace net::testing;

constexpr std::uint32_t kInARow = 20;
constexpr std::size_t kMany = 1000;

/// A server with one reactor that stands still while clients send, so that it finds everything they
/// have sent at once.
struct StoppedClock : Running {
    static ServerConfig one_reactor() {
        ServerConfig config = small_config();
        config.reactors = 1;
        config.requests_per_event = kInARow;
        return config;
    }

    StoppedClock() : Running(one_reactor()) {
        store.put("k", "v");
        const std::lock_guard lock(store.mutex);
        store.on_batch = [this](std::span<const Operation> operations) {
            for (const Operation& operation : operations) {
                executed.push_back(operation.connection.generation);
            }
            if (between_batches) between_batches();
        };
    }

    /// A client that the reactor has met, and how it calls it.
    std::pair<TestClient, std::uint64_t> meet() {
        TestClient client = connect();
        EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
        const std::lock_guard lock(store.mutex);
        return {std::move(client), executed.back()};
    }
    void stop() {
        std::promise<void> stopped;
        server.tasks(0).post([&stopped, waiting = go_on.get_future()] {
            stopped.set_value();
            waiting.wait();
        });
        stopped.get_future().wait();
    }
    /// From now on; what has been executed so far is forgotten.
    void watch(std::function<void()> between) {
        const std::lock_guard lock(store.mutex);
        between_batches = std::move(between);
        executed.clear();
    }
    void resume() { go_on.set_value(); }

    std::vector<std::uint64_t> executed;  // whose operations, in their order; by store.mutex
    std::function<void()> between_batches;
    std::promise<void> go_on;
};

std::string many(std::size_t count) {
    std::string requests;
    for (std::size_t i = 0; i < count; ++i) requests += "get k\r\n";
    return requests;
}

const std::string kReply = value_reply("k", "v") + "END\r\n";

TEST(FairnessTest, NobodyGetsMoreThanAFewInARowWhileOthersWait) {
    StoppedClock running;
    auto [first, first_name] = running.meet();
    auto [second, second_name] = running.meet();
    auto [third, third_name] = running.meet();
    running.watch({});
    running.stop();
    EXPECT_TRUE(first.send(many(kMany)));
    EXPECT_TRUE(second.send(many(kMany)));
    EXPECT_TRUE(third.send(many(1)));
    running.resume();
    EXPECT_EQ(first.receive(kMany * kReply.size()).size(), kMany * kReply.size());
    EXPECT_EQ(second.receive(kMany * kReply.size()).size(), kMany * kReply.size());
    EXPECT_EQ(third.receive(kReply.size()), kReply);
    running.server.stop();
    ASSERT_EQ(running.executed.size(), 2 * kMany + 1);
    const auto one = std::ranges::find(running.executed, third_name);
    EXPECT_LE(one - running.executed.begin(), 2 * kInARow);
    // As long as both have some left, no run of one is longer than allowed.
    std::size_t left[] = {kMany, kMany};
    std::size_t in_a_row = 0;
    for (std::size_t i = 0; i < running.executed.size(); ++i) {
        const std::uint64_t name = running.executed[i];
        if (name == third_name) continue;
        in_a_row = i != 0 && running.executed[i - 1] == name ? in_a_row + 1 : 1;
        const std::size_t who = name == first_name ? 0 : 1;
        --left[who];
        if (left[1 - who] == 0) break;
        ASSERT_LE(in_a_row, kInARow) << "at " << i;
    }
    // The last time nothing is left to yield with.
    EXPECT_GE(running.total(&ConnectionCounters::yields), 2 * (kMany / kInARow - 1));
    EXPECT_LE(running.total(&ConnectionCounters::yields), 3 * kMany / kInARow);
}

TEST(FairnessTest, WhoIsThroughIsAnsweredBeforeTheOthersGoOn) {
    StoppedClock running;
    auto [greedy, greedy_name] = running.meet();
    auto [modest, modest_name] = running.meet();
    // The reactor itself waits for the answer to have left, before it executes what comes later.
    bool answered = false;
    std::size_t before = 0;
    running.watch([&, name = modest_name, socket = modest.socket()] {
        const auto& executed = running.executed;
        const bool has_run = std::ranges::find(executed, name) != executed.end();
        if (!has_run || answered) return;
        if (before == 0) {
            before = executed.size();  // in this batch: the next one comes after its answer
            return;
        }
        pollfd readable{.fd = socket, .events = POLLIN, .revents = 0};
        answered = ::poll(&readable, 1, 10'000) == 1;
        EXPECT_TRUE(answered);
        answered = true;
    });
    running.stop();
    EXPECT_TRUE(greedy.send(many(kMany)));
    EXPECT_TRUE(modest.send(many(2)));
    running.resume();
    EXPECT_EQ(greedy.receive(kMany * kReply.size()).size(), kMany * kReply.size());
    EXPECT_EQ(modest.receive(2 * kReply.size()), kReply + kReply);
    running.server.stop();
    EXPECT_TRUE(answered);
    EXPECT_LE(before, kInARow + 2);
}

TEST(FairnessTest, WhoIsAloneHasTheWholeTurn) {
    StoppedClock running;
    auto [client, name] = running.meet();
    std::size_t largest = 0;
    {
        const std::lock_guard lock(running.store.mutex);
        running.store.on_batch = [&](std::span<const Operation> operations) {
            largest = std::max(largest, operations.size());
        };
    }
    running.stop();
    EXPECT_TRUE(client.send(many(kMany)));
    running.resume();
    EXPECT_EQ(client.receive(kMany * kReply.size()).size(), kMany * kReply.size());
    running.server.stop();
    EXPECT_GT(largest, 10 * kInARow);
    // Nobody was there, but others would have had their turn so often.
    EXPECT_GE(running.total(&ConnectionCounters::yields), kMany / kInARow - 1);
}

}  // namespace
}  // namespace shardmill::net
