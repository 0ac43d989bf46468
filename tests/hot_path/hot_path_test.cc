// What a turn of gets and sets must not do: allocate, throw, or wait for any lock but a shard's.
// The whole data plane runs, over real sockets; every call of its threads is counted.

#include <gtest/gtest.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "admin/control_loop.h"
#include "config/command_line.h"
#include "engine/engine.h"
#include "net/server.h"
#include "net/test_client.h"
#include "watched_calls.h"
#include "wiring.h"

namespace shardmill {
namespace {

using testing::WatchedCalls;

config::Config small_config() {
    const std::vector<std::string> words{"-m", "64", "-t", "2", "-p", "-1", "-l", "127.0.0.1"};
    const auto config = config::parse_command_line(words);
    EXPECT_TRUE(config.has_value());
    return *config;
}

/// The server as main puts it together, without signals.
class Running {
 public:
    Running() : engine_(config_), server_(server_config(config_), engine_.executors()) {
        testing::exempt_this_thread();
        EXPECT_TRUE(engine_.open().has_value());
        engine::Engine::Connections connections{.listening = &server_.listen_counters(),
                                                .replier = &server_.replier(),
                                                .server = &server_,
                                                .control = &control_};
        for (std::uint32_t reactor = 0; reactor < server_.reactors(); ++reactor) {
            connections.reactors.push_back(&server_.tasks(reactor));
            connections.counters.push_back(&server_.counters(reactor));
        }
        engine_.connect(std::move(connections));
        EXPECT_TRUE(server_.start().has_value());
    }
    ~Running() { server_.stop(); }

    net::testing::TestClient connect() {
        return net::testing::TestClient::tcp(server_.bound().front().port);
    }

 private:
    const config::Config config_ = small_config();
    admin::ControlLoop control_;
    engine::Engine engine_;
    net::Server server_;
};

struct Exchange {
    std::string request;
    std::string reply;
};

std::string key(int number) { return "key:" + std::to_string(number); }

Exchange sets(int keys, std::size_t value_bytes) {
    Exchange sets;
    for (int i = 0; i < keys; ++i) {
        sets.request += "set " + key(i) + " 7 0 " + std::to_string(value_bytes) + "\r\n" +
                        std::string(value_bytes, 'v') + "\r\n";
        sets.reply += "STORED\r\n";
    }
    return sets;
}

std::string value(int number, std::size_t value_bytes) {
    return "VALUE " + key(number) + " 7 " + std::to_string(value_bytes) + "\r\n" +
           std::string(value_bytes, 'v') + "\r\n";
}

Exchange gets(int keys, std::size_t value_bytes) {
    Exchange gets;
    for (int i = 0; i < keys; ++i) {
        gets.request += "get " + key(i) + "\r\nget none\r\n";
        gets.reply += value(i, value_bytes) + "END\r\nEND\r\n";
    }
    return gets;
}

Exchange multiget(int keys, std::size_t value_bytes) {
    Exchange get{.request = "get"};
    for (int i = 0; i < keys; ++i) {
        get.request += " " + key(i);
        get.reply += value(i, value_bytes);
    }
    get.request += "\r\n";
    get.reply += "END\r\n";
    return get;
}

Exchange others() {
    return {
        "mg key:1 s v\r\nms n 2\r\n10\r\nincr n 1\r\ndecr n 1\r\ntouch n 0\r\ngat 0 n\r\ndelete "
        "n\r\nmd n\r\n",
        "VA 10 s10\r\nvvvvvvvvvv\r\nHD\r\n11\r\n10\r\nTOUCHED\r\nVALUE n 0 "
        "2\r\n10\r\nEND\r\nDELETED\r\nNF\r\n"};
}

/// Many rounds on four connections, after as many that warm up buffers and the store.
WatchedCalls calls_of(const Exchange& exchange) {
    Running server;
    std::vector<net::testing::TestClient> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(server.connect());
    const Exchange filling = sets(64, 10);
    EXPECT_TRUE(clients[0].send(filling.request));
    EXPECT_EQ(clients[0].receive(filling.reply.size()), filling.reply);
    const auto round = [&] {
        for (auto& client : clients) ASSERT_TRUE(client.send(exchange.request));
        for (auto& client : clients) {
            ASSERT_EQ(client.receive(exchange.reply.size()), exchange.reply);
        }
    };
    for (int i = 0; i < 300; ++i) round();
    testing::start_watching();
    for (int i = 0; i < 300; ++i) round();
    return testing::stop_watching();
}

void expect_no_calls(const WatchedCalls& calls) {
    EXPECT_EQ(calls.allocations, 0u);
    EXPECT_EQ(calls.frees, 0u);
    EXPECT_EQ(calls.exceptions, 0u);
    EXPECT_EQ(calls.mutexes, 0u);
}

TEST(HotPathTest, SeesWhatItCounts) {
    std::mutex mutex;
    std::thread other([&mutex] {
        testing::start_watching();
        try {
            const std::lock_guard held(mutex);
            const std::vector<int> some(100);
            throw std::runtime_error(std::string(100, 'x'));
        } catch (const std::runtime_error&) {
        }
    });
    other.join();
    const WatchedCalls calls = testing::stop_watching();
    EXPECT_GE(calls.allocations, 2u);
    EXPECT_GE(calls.frees, 2u);
    EXPECT_EQ(calls.exceptions, 1u);
    EXPECT_EQ(calls.mutexes, 1u);
}

TEST(HotPathTest, GetsCallNothing) { expect_no_calls(calls_of(gets(50, 10))); }
TEST(HotPathTest, MultigetsCallNothing) { expect_no_calls(calls_of(multiget(50, 10))); }
TEST(HotPathTest, SetsCallNothing) { expect_no_calls(calls_of(sets(50, 10))); }
TEST(HotPathTest, OtherCommandsCallNothing) { expect_no_calls(calls_of(others())); }

TEST(HotPathTest, AnIdleConnectionKeepsLessThanTwoKiB) {
    constexpr int kConnections = 400;
    Running server;
    const Exchange get{.request = "get none\r\n", .reply = "END\r\n"};
    std::vector<net::testing::TestClient> clients;
    const auto add = [&] {
        clients.push_back(server.connect());
        ASSERT_TRUE(clients.back().send(get.request));
        ASSERT_EQ(clients.back().receive(get.reply.size()), get.reply);
    };
    for (int i = 0; i < 4; ++i) add();
    testing::start_watching();
    for (int i = 0; i < kConnections; ++i) add();
    const WatchedCalls calls = testing::stop_watching();
    EXPECT_GT(calls.bytes_kept, kConnections * 256);
    EXPECT_LT(calls.bytes_kept, kConnections * 2048);
}

}  // namespace
}  // namespace shardmill
