#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "engine/stats.h"

namespace shardmill::engine {
namespace {

/// Statistics of a server that is only counters.
struct Counted {
    explicit Counted(const config::Config& configuration = {}) : config(configuration) {}

    std::optional<std::string> stat(std::string_view name) {
        for (const Stat& stat : statistics.general(0)) {
            if (stat.name == name) return stat.value;
        }
        return std::nullopt;
    }

    config::Config config;
    store::ShardSet shards{{.memory_limit = 16u << 20, .shards = 1}};
    Counters counters;
    RuntimeSettings settings{config};
    ServerCounters server;
    net::ConnectionCounters reactor;
    net::ListenCounters listening;
    Statistics statistics{{.shards = &shards,
                           .config = &config,
                           .settings = &settings,
                           .server = &server,
                           .counters = {&counters},
                           .connections = {&reactor},
                           .listening = &listening}};
};

TEST(StatsConnectionsTest, ListenersCountAsMemcachedCountsThem) {
    Counted counted;
    counted.listening.listeners = 2;
    counted.reactor.current = 3;
    counted.reactor.total = 7;
    counted.reactor.structures = 4;
    EXPECT_EQ(counted.stat("curr_connections"), "4");
    EXPECT_EQ(counted.stat("total_connections"), "9");
    EXPECT_EQ(counted.stat("connection_structures"), "6");
    counted.statistics.reset();
    counted.reactor.total = 8;
    EXPECT_EQ(counted.stat("curr_connections"), "4");
    EXPECT_EQ(counted.stat("total_connections"), "1");
}

TEST(StatsConnectionsTest, TellsWhetherAndHowOftenAcceptingStopped) {
    Counted counted;
    EXPECT_EQ(counted.stat("accepting_conns"), "1");
    counted.listening.accepting = false;
    counted.listening.disabled = 3;
    counted.listening.disabled_us = 1234;
    EXPECT_EQ(counted.stat("accepting_conns"), "0");
    EXPECT_EQ(counted.stat("listen_disabled_num"), "3");
    EXPECT_EQ(counted.stat("time_in_listen_disabled_us"), "1234");
    counted.statistics.reset();
    EXPECT_EQ(counted.stat("listen_disabled_num"), "0");
    EXPECT_EQ(counted.stat("accepting_conns"), "0");
}

TEST(StatsConnectionsTest, HasLinesForWhatIsSwitchedOn) {
    Counted plain;
    for (const char* name : {"idle_kicks", "ssl_new_sessions", "ssl_handshake_errors",
                             "ssl_proto_errors", "time_since_server_cert_refresh"}) {
        EXPECT_FALSE(plain.stat(name).has_value()) << name;
    }
    config::Config config;
    config.idle_timeout_s = 5;
    config.tls.enabled = true;
    Counted counted(config);
    counted.listening.certs_loaded_at_ns = base::monotonic_ns() - 90'500'000'000;
    counted.reactor.idle_kicks = 2;
    counted.reactor.tls_handshake_errors = 3;
    counted.reactor.tls_proto_errors = 4;
    counted.reactor.tls_new_sessions = 5;
    EXPECT_EQ(counted.stat("idle_kicks"), "2");
    EXPECT_EQ(counted.stat("ssl_handshake_errors"), "3");
    EXPECT_EQ(counted.stat("ssl_proto_errors"), "4");
    EXPECT_EQ(counted.stat("time_since_server_cert_refresh"), "90");
    EXPECT_FALSE(counted.stat("ssl_new_sessions").has_value());
    config.tls.session_cache = true;
    Counted caching(config);
    caching.reactor.tls_new_sessions = 5;
    EXPECT_EQ(caching.stat("ssl_new_sessions"), "5");
}

}  // namespace
}  // namespace shardmill::engine
