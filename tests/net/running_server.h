#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "fake_executor.h"
#include "net/server.h"
#include "test_client.h"

namespace shardmill::net::testing {

/// Waits until something another thread does has happened; false after ten seconds.
inline bool eventually(const std::function<bool()>& happened) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!happened()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

inline ServerConfig small_config() {
    ServerConfig config;
    config.reactors = 2;
    config.listen = {{.host = "127.0.0.1", .port = -1}};
    config.connections_max = 64;
    config.receive_buffers = 64;
    return config;
}

/// A running server over a map. Checks at its end that everything lent out has come back.
struct Running {
    explicit Running(ServerConfig config = small_config())
        : executors(store, config.reactors), server(config, executors.pointers()) {
        const auto loaded = server.load_certs();
        EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : loaded.error());
        const auto started = server.start();
        EXPECT_TRUE(started.has_value()) << (started ? "" : started.error());
        if (started && !server.bound().empty()) port = server.bound().front().port;
    }
    ~Running() {
        server.stop();
        EXPECT_EQ(store.uploads, 0);
        EXPECT_EQ(store.pins, 0);
        EXPECT_EQ(open_connections(), 0u);
        EXPECT_EQ(total(&ConnectionCounters::buffer_bytes), 0u);
    }
    TestClient connect() { return TestClient::tcp(port); }
    std::uint64_t total(std::atomic<std::uint64_t> ConnectionCounters::* member) {
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < server.reactors(); ++i) sum += server.counters(i).*member;
        return sum;
    }
    std::uint64_t open_connections() { return total(&ConnectionCounters::current); }

    FakeStore store;
    FakeExecutors executors;
    Server server;
    std::uint16_t port = 0;
};

inline std::string set_command(const std::string& key, const std::string& value) {
    return "set " + key + " 0 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}
inline std::string value_reply(const std::string& key, const std::string& value) {
    return "VALUE " + key + " 0 " + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}
inline std::string patterned(std::size_t bytes, unsigned seed = 1) {
    std::string text(bytes, '\0');
    for (char& letter : text) {
        seed = seed * 1664525u + 1013904223u;
        letter = static_cast<char>('a' + (seed >> 24) % 26);
    }
    return text;
}

}  // namespace shardmill::net::testing
