// How long connections may stay, how many there may be, and what is said about them.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "running_server.h"
#include "tls_client.h"
#include "tls_files.h"

namespace shardmill::net {
namespace {

using namespace net::testing;

std::vector<ConnectionReport> list(Server& server) {
    std::mutex mutex;
    std::condition_variable answered;
    std::optional<std::vector<ConnectionReport>> answer;
    server.list_connections([&](std::vector<ConnectionReport> reports) {
        const std::lock_guard lock(mutex);
        answer = std::move(reports);
        answered.notify_one();
    });
    std::unique_lock lock(mutex);
    answered.wait_for(lock, std::chrono::seconds(10), [&] { return answer.has_value(); });
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(std::vector<ConnectionReport>{});
}

/// The states of all connections that came from `clients`, in their order; "?" if one is missing.
std::vector<std::string> states(Server& server, const std::vector<std::uint16_t>& ports) {
    const auto reports = list(server);
    std::vector<std::string> states;
    for (const std::uint16_t port : ports) {
        const auto found = std::ranges::find(reports, "tcp:127.0.0.1:" + std::to_string(port),
                                             &ConnectionReport::address);
        states.emplace_back(found == reports.end() ? "?" : found->state);
    }
    return states;
}

std::uint16_t port_of(const TestClient& client) {
    return PeerAddress::local_of(client.socket()).port;
}

TEST(ConnectionsTest, AreListedWithWhatTheyAreBusyWith) {
    Running running;
    running.store.put("large", patterned(1 << 20));
    std::vector<TestClient> clients;
    std::vector<std::uint16_t> ports;
    const auto add = [&](const std::string& said) {
        clients.push_back(running.connect());
        EXPECT_TRUE(clients.back().send(said));
        ports.push_back(port_of(clients.back()));
    };
    add("");
    add("get half");
    add("set a 0 0 5\r\nabc");
    add("set a 0 0 100000\r\nabc");
    add("set a 0 0 2000000\r\nabc");
    add("batch run x\r\n");
    std::string much;
    for (int i = 0; i < 50; ++i) much += "get large\r\n";
    add(much);
    const std::vector<std::string> expected{"conn_read",  "conn_read",    "conn_nread",
                                            "conn_nread", "conn_swallow", "conn_io_pending",
                                            "conn_mwrite"};
    EXPECT_TRUE(eventually([&] { return states(running.server, ports) == expected; }))
        << ::testing::PrintToString(states(running.server, ports));

    const auto reports = list(running.server);
    EXPECT_EQ(reports.size(), clients.size() + 1);
    EXPECT_TRUE(std::ranges::is_sorted(reports, {}, &ConnectionReport::socket));
    const std::string listener = "tcp:127.0.0.1:" + std::to_string(running.port);
    for (const ConnectionReport& report : reports) {
        const bool listening = report.state == "conn_listening";
        EXPECT_EQ(report.address == listener, listening);
        EXPECT_EQ(report.listen_address, listening ? "" : listener);
    }
}

TEST(ConnectionsTest, AreSpreadEvenlyWhoeverHasComeAndGoneInBetween) {
    Running running;
    const TestClient first = running.connect();
    constexpr std::uint64_t kPassing = 5;  // an odd number: taking turns alone would not do
    for (std::uint64_t i = 0; i < kPassing; ++i) running.connect();
    EXPECT_TRUE(eventually([&] {
        return running.total(&ConnectionCounters::total) == kPassing + 1 &&
               running.open_connections() == 1;
    }));
    const TestClient second = running.connect();
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 2; }));
    for (std::uint32_t reactor = 0; reactor < 2; ++reactor) {
        EXPECT_EQ(running.server.counters(reactor).current, 1u);
    }
}

TEST(ConnectionsTest, AreListedByEachKindOfAddress) {
    ServerConfig config = small_config();
    config.listen = {{.host = "::1", .port = -1}};
    {
        Running running(config);
        TestClient client = TestClient::tcp(running.port, "::1");
        EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
        const auto reports = list(running.server);
        ASSERT_EQ(reports.size(), 2u);
        const std::string listener = "tcp6:[::1]:" + std::to_string(running.port);
        EXPECT_EQ(reports[0].address, listener);
        EXPECT_EQ(reports[1].address, "tcp6:[::1]:" + std::to_string(port_of(client)));
        EXPECT_EQ(reports[1].listen_address, listener);
    }
    config.unix_path = ::testing::TempDir() + "shardmill-conns-" + std::to_string(::getpid());
    Running running(config);
    TestClient client = TestClient::unix_socket(config.unix_path);
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    const auto reports = list(running.server);
    ASSERT_EQ(reports.size(), 2u);
    EXPECT_EQ(reports[0].address, "unix:" + config.unix_path);
    EXPECT_EQ(reports[1].address, "unix:<unnamed>");
    EXPECT_EQ(reports[1].listen_address, "unix:" + config.unix_path);
    ::unlink(config.unix_path.c_str());
}

TEST(ConnectionsTest, AreListedOnceEachHoweverManyThereAre) {
    ServerConfig config = small_config();
    config.connections_max = 1200;
    Running running(config);
    std::vector<TestClient> clients;
    for (int i = 0; i < 1100; ++i) clients.push_back(running.connect());
    ASSERT_TRUE(eventually([&] { return running.open_connections() == clients.size(); }));
    auto reports = list(running.server);
    EXPECT_EQ(reports.size(), clients.size() + 1);
    const auto doubles = std::ranges::unique(reports, {}, &ConnectionReport::socket);
    EXPECT_TRUE(doubles.empty());
}

TEST(ConnectionsTest, ThatIdleForTooLongAreClosed) {
    ServerConfig config = small_config();
    config.idle_timeout_s = 1;
    Running running(config);
    TestClient waiting = running.connect();
    EXPECT_TRUE(waiting.send("batch run x\r\n"));
    TestClient sending = running.connect();
    EXPECT_TRUE(sending.send("set a 0 0 5\r\nabc"));
    TestClient idle = running.connect();
    EXPECT_EQ(idle.ask("mn\r\n"), "MN\r\n");
    TestClient halfway = running.connect();
    EXPECT_TRUE(halfway.send("get half"));
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_EQ(halfway.receive_all(), "");
    // Who waits for an answer, or is in the middle of a value, is not idle.
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 2; }));
    EXPECT_EQ(running.total(&ConnectionCounters::idle_kicks), 2u);
    for (const CloseReason reason : running.store.reasons()) {
        EXPECT_EQ(reason, CloseReason::IdleTimeout);
    }
    EXPECT_EQ(sending.ask("de\r\n"), "STORED\r\n");
    std::optional<ConnectionId> id = running.store.take_deferred();
    ASSERT_TRUE(id.has_value());
    running.server.replier().reply(*id, "LATER\r\n");
    EXPECT_EQ(waiting.receive_until("\r\n"), "LATER\r\n");
}

TEST(ConnectionsTest, OfAUnixSocketMayIdleForEver) {
    ServerConfig config = small_config();
    config.idle_timeout_s = 1;
    config.unix_path = ::testing::TempDir() + "shardmill-idle-" + std::to_string(::getpid());
    Running running(config);
    TestClient client = TestClient::unix_socket(config.unix_path);
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    EXPECT_TRUE(eventually([&] {
        const auto reports = list(running.server);
        return reports.size() == 2 && reports[1].idle_s >= 3;
    }));
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    EXPECT_EQ(running.total(&ConnectionCounters::idle_kicks), 0u);
    ::unlink(config.unix_path.c_str());
}

TEST(ConnectionsTest, ThatStallInTheHandshakeAreClosed) {
    TlsFiles files;
    ServerConfig config = small_config();
    config.idle_timeout_s = 1;
    config.listen.front().security = Security::Tls;
    config.tls = {
        .enabled = true, .chain_cert = files.path("server.crt"), .key = files.path("server.key")};
    Running running(config);
    TlsClient silent(running.connect());
    TlsClient halfway(running.connect());
    const std::string hello = halfway.client_hello();
    EXPECT_TRUE(halfway.connection().send(hello.substr(0, hello.size() / 2)));
    TlsClient idle(running.connect());
    EXPECT_TRUE(idle.handshake());
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_EQ(silent.connection().receive_all(), "");
    EXPECT_EQ(halfway.connection().receive_all(), "");
    EXPECT_EQ(running.total(&ConnectionCounters::idle_kicks), 3u);
    EXPECT_EQ(running.total(&ConnectionCounters::tls_handshake_errors), 0u);
}

TEST(ConnectionsTest, OverTheLimitWaitUntilAnotherOneLeaves) {
    ServerConfig config = small_config();
    config.connections_max = 3;
    config.close_over_limit = false;
    Running running(config);
    const ListenCounters& listening = running.server.listen_counters();
    std::vector<TestClient> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(running.connect());
        EXPECT_EQ(clients.back().ask("mn\r\n"), "MN\r\n");
    }
    EXPECT_TRUE(listening.accepting);
    for (std::uint64_t round = 1; round <= 3; ++round) {
        TestClient next = running.connect();
        EXPECT_TRUE(next.send("mn\r\n"));
        EXPECT_TRUE(eventually([&] { return !listening.accepting; }));
        EXPECT_EQ(listening.disabled, round);
        EXPECT_EQ(running.open_connections(), 3u);
        clients.erase(clients.begin());
        EXPECT_EQ(next.receive(4), "MN\r\n");
        EXPECT_TRUE(eventually([&] { return listening.accepting.load(); }));
        clients.push_back(std::move(next));
    }
    EXPECT_GT(listening.disabled_us, 0u);
    EXPECT_EQ(running.total(&ConnectionCounters::rejected), 0u);
    EXPECT_EQ(running.total(&ConnectionCounters::total), 6u);
    // Some wait when the server stops, and more come than are accepted.
    std::vector<TestClient> waiting;
    for (int i = 0; i < 20; ++i) waiting.push_back(running.connect());
    EXPECT_TRUE(eventually([&] { return !listening.accepting; }));
}

TEST(ConnectionsTest, ManyShareFewPlacesInTurn) {
    ServerConfig config = small_config();
    config.connections_max = 4;
    config.close_over_limit = false;
    Running running(config);
    std::vector<std::thread> threads;
    for (int number = 0; number < 16; ++number) {
        threads.emplace_back([&] {
            for (int round = 0; round < 50; ++round) {
                TestClient client = running.connect();
                EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(running.total(&ConnectionCounters::total), 16u * 50u);
    EXPECT_EQ(running.total(&ConnectionCounters::rejected), 0u);
}

}  // namespace
}  // namespace shardmill::net
