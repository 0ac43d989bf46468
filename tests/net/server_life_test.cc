#include "net/server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "running_server.h"

namespace shardmill::net {
namespace {

using namespace net::testing;

TEST(ServerLifeTest, StartsAndStopsWithoutAnyConnection) {
    for (int round = 0; round < 5; ++round) Running running;
}

TEST(ServerLifeTest, StopsTwiceWithConnectionsOpen) {
    Running running;
    TestClient idle = running.connect();
    TestClient partial = running.connect();
    EXPECT_EQ(idle.ask("mn\r\n"), "MN\r\n");
    EXPECT_TRUE(partial.send("get half"));
    running.server.stop();
    running.server.stop();
    EXPECT_EQ(idle.receive_all(), "");
}

TEST(ServerLifeTest, ClientsCanBeClosedWhileTheReactorsGoOn) {
    Running running;
    TestClient idle = running.connect();
    TestClient partial = running.connect();
    EXPECT_EQ(idle.ask("mn\r\n"), "MN\r\n");
    EXPECT_TRUE(partial.send("get half"));
    ASSERT_TRUE(eventually([&] { return running.server.close_clients(); }));
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_EQ(running.open_connections(), 0u);
    std::atomic<bool> ran = false;
    running.server.tasks(1).post([&ran] { ran = true; });
    EXPECT_TRUE(eventually([&] { return ran.load(); }));
    EXPECT_TRUE(running.server.close_clients());
}

TEST(ServerLifeTest, SpreadsConnectionsOverAllReactors) {
    ServerConfig config = small_config();
    config.reactors = 3;
    Running running(config);
    std::vector<TestClient> clients;
    for (int i = 0; i < 6; ++i) {
        clients.push_back(running.connect());
        EXPECT_EQ(clients.back().ask("mn\r\n"), "MN\r\n");
    }
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(running.server.counters(i).current, 2u) << i;
}

TEST(ServerLifeTest, TellsTheExecutorWhoCameAndWhyTheyWent) {
    Running running;
    const auto gone = [&](std::size_t count) {
        return eventually([&] { return running.store.reasons().size() == count; });
    };
    TestClient leaving = running.connect();
    EXPECT_EQ(leaving.ask("mn\r\n"), "MN\r\n");
    leaving.close();
    ASSERT_TRUE(gone(1));
    TestClient quitting = running.connect();
    EXPECT_TRUE(quitting.send("quit\r\n"));
    ASSERT_TRUE(gone(2));
    TestClient broken = running.connect();
    EXPECT_TRUE(broken.send(std::string(5000, 'x')));
    ASSERT_TRUE(gone(3));
    TestClient vanishing = running.connect();
    EXPECT_EQ(vanishing.ask("mn\r\n"), "MN\r\n");
    vanishing.vanish();
    ASSERT_TRUE(gone(4));
    TestClient staying = running.connect();
    EXPECT_EQ(staying.ask("mn\r\n"), "MN\r\n");
    running.server.stop();
    EXPECT_EQ(running.store.reasons(),
              (std::vector{CloseReason::Normal, CloseReason::Normal, CloseReason::Error,
                           CloseReason::Error, CloseReason::Shutdown}));
    ASSERT_EQ(running.store.peers().size(), 5u);
    for (const PeerAddress& peer : running.store.peers()) {
        EXPECT_EQ(peer.kind, PeerAddress::Kind::Tcp4);
        EXPECT_EQ(peer.host(), "127.0.0.1");
        EXPECT_NE(peer.port, 0);
    }
}

TEST(ServerLifeTest, AbandonsTheUploadOfAClientThatVanishes) {
    Running running;
    for (const bool reset : {false, true}) {
        const int abandoned = running.store.abandoned;
        TestClient client = running.connect();
        EXPECT_TRUE(client.send("set a 0 0 500000\r\n" + patterned(100'000)));
        EXPECT_TRUE(eventually([&] { return running.store.uploads == 1; }));
        reset ? client.vanish() : client.close();
        EXPECT_TRUE(eventually([&] { return running.store.abandoned == abandoned + 1; }));
        EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    }
}

TEST(ServerLifeTest, AnswersAHalfClosedClientBeforeClosing) {
    Running running;
    running.store.put("k", patterned(3000));
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("get k\r\nget k\r\nget incompl"));
    client.half_close();
    const std::string reply = value_reply("k", patterned(3000)) + "END\r\n";
    EXPECT_EQ(client.receive_all(), reply + reply);
}

TEST(ServerLifeTest, ClosesAfterQuitAndAnswersWhatCameBefore) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("mn\r\nquit\r\nmn\r\n"));
    EXPECT_EQ(client.receive(4), "MN\r\n");
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
}

TEST(ServerLifeTest, ClosesOnAnOverlongLine) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("mn\r\n" + std::string(5000, 'x')));
    EXPECT_EQ(client.receive(4), "MN\r\n");
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
}

TEST(ServerLifeTest, ReleasesEverythingOfAReaderThatVanishes) {
    Running running;
    running.store.put("large", patterned(1 << 20));
    TestClient client = running.connect();
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.send("get large\r\n"));
    EXPECT_TRUE(eventually([&] { return running.store.pins > 0; }));
    client.vanish();
    EXPECT_TRUE(eventually([&] { return running.store.pins == 0; }));
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
}

TEST(ServerLifeTest, StopsWhileARepliesAreDeferred) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch run x\r\n"));
    EXPECT_TRUE(eventually([&] { return running.store.take_deferred().has_value(); }));
    running.server.stop();
    EXPECT_EQ(running.store.closed, 1);
}

TEST(ServerLifeTest, TellsClientsOverTheLimitAndDropsThem) {
    ServerConfig config = small_config();
    config.connections_max = 3;
    Running running(config);
    std::vector<TestClient> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(running.connect());
        EXPECT_EQ(clients.back().ask("mn\r\n"), "MN\r\n");
    }
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(running.connect().receive_all(), "ERROR Too many open connections\r\n");
    }
    EXPECT_EQ(running.total(&ConnectionCounters::rejected), 5u);
    clients.pop_back();
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 2; }));
    EXPECT_EQ(running.connect().ask("mn\r\n"), "MN\r\n");
}

TEST(ServerLifeTest, ForgetsManyConnectionsThatComeAndGo) {
    ServerConfig config = small_config();
    config.connections_max = 512;
    Running running(config);
    constexpr int kConnections = 10'000;
    std::vector<TestClient> clients;
    for (int i = 0; i < kConnections; ++i) {
        TestClient client = running.connect();
        ASSERT_TRUE(client.connected());
        switch (i % 5) {
            case 0:
                EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
                break;
            case 1:
                EXPECT_TRUE(client.send("set a 0 0 100000\r\npart of it"));
                break;
            case 2:
                EXPECT_TRUE(client.send("get half a li"));
                break;
            case 3:
                client.vanish();
                break;
            default:
                break;
        }
        const bool pause = i % 200 == 199;
        if (pause || i % 7 == 0) clients.push_back(std::move(client));
        if (!pause) continue;
        // Stays under the limit, however far the server lags behind.
        clients.clear();
        const auto so_far = static_cast<std::uint64_t>(i) + 1;
        ASSERT_TRUE(
            eventually([&] { return running.total(&ConnectionCounters::total) == so_far; }));
        ASSERT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    }
    EXPECT_EQ(running.store.uploads, 0);
    EXPECT_EQ(running.total(&ConnectionCounters::rejected), 0u);
}

TEST(ServerLifeTest, ServesAUnixSocketAndReplacesAStaleFile) {
    const std::string path =
        ::testing::TempDir() + "shardmill-net-test-" + std::to_string(::getpid());
    ServerConfig config = small_config();
    config.unix_path = path;
    for (int round = 0; round < 2; ++round) {
        Running running(config);
        EXPECT_EQ(running.server.bound().front().kind, BoundAddress::Kind::Unix);
        TestClient client = TestClient::unix_socket(path);
        EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
        FakeStore store;
        FakeExecutors executors(store, config.reactors);
        Server second(config, executors.pointers());
        const auto started = second.start();
        ASSERT_FALSE(started.has_value());
        EXPECT_NE(started.error().find("another program listens there"), std::string::npos);
    }
    ::unlink(path.c_str());
}

TEST(ServerLifeTest, ListensOnBothFamiliesWithOneEphemeralPort) {
    ServerConfig config = small_config();
    config.listen.front().host.clear();
    Running running(config);
    for (const BoundAddress& address : running.server.bound()) {
        EXPECT_EQ(address.port, running.port);
        const bool v6 = address.kind == BoundAddress::Kind::Tcp6;
        TestClient client = TestClient::tcp(running.port, v6 ? "::1" : "127.0.0.1");
        EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    }
}

TEST(ServerLifeTest, SaysWhatToDoWhenThePortIsTaken) {
    Running running;
    ServerConfig config = small_config();
    config.listen.front().port = running.port;
    FakeStore store;
    FakeExecutors executors(store, config.reactors);
    Server second(config, executors.pointers());
    const auto started = second.start();
    ASSERT_FALSE(started.has_value());
    EXPECT_NE(started.error().find("choose another port with -p"), std::string::npos)
        << started.error();
}

TEST(ServerLifeTest, RunsTasksOfAReactorInTheOrderOfPosting) {
    Running running;
    std::mutex mutex;
    std::condition_variable done;
    std::vector<int> order;
    for (int i = 0; i < 1000; ++i) {
        running.server.tasks(1).post([&, i] {
            const std::lock_guard lock(mutex);
            order.push_back(i);
            done.notify_one();
        });
    }
    std::unique_lock lock(mutex);
    EXPECT_TRUE(
        done.wait_for(lock, std::chrono::seconds(10), [&] { return order.size() == 1000; }));
    EXPECT_TRUE(std::ranges::is_sorted(order));
}

}  // namespace
}  // namespace shardmill::net
