#include "net/server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
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

TEST(ServerTest, AnswersSetAndGet) {
    Running running;
    TestClient client = running.connect();
    EXPECT_EQ(client.ask("set a 0 0 3\r\nabc\r\n"), "STORED\r\n");
    EXPECT_EQ(client.ask("get a\r\n", "END\r\n"), value_reply("a", "abc") + "END\r\n");
    EXPECT_EQ(client.ask("get nothing\r\n"), "END\r\n");
}

TEST(ServerTest, AnswersPipelinesOfAnyDepthInOrder) {
    Running running;
    for (int i = 0; i < 100; ++i) {
        running.store.put("k" + std::to_string(i), patterned(static_cast<std::size_t>(i * 7), 5));
    }
    for (const int depth : {1, 2, 16, 500, 5000, 50000}) {
        TestClient client = running.connect();
        std::string requests;
        std::string expected;
        for (int i = 0; i < depth; ++i) {
            const int number = i * 37 % 100;
            const std::string key = "k" + std::to_string(number);
            requests += "get " + key + "\r\n";
            expected +=
                value_reply(key, patterned(static_cast<std::size_t>(number * 7), 5)) + "END\r\n";
        }
        std::thread sender([&] { EXPECT_TRUE(client.send(requests)); });
        EXPECT_EQ(client.receive(expected.size()) == expected, true) << "depth " << depth;
        sender.join();
    }
}

TEST(ServerTest, AnswersWhateverTheBytesAreSplitInto) {
    Running running;
    const std::string value = patterned(40);
    const std::string requests = set_command("key", value) + "get key other key\r\n" +
                                 "delete nobody\r\nbogus\r\nset z 0 0 1 noreply\r\nz\r\nget z\r\n" +
                                 "set bad 0 0 2\r\nabcd\r\nmn\r\n";
    TestClient whole = running.connect();
    EXPECT_TRUE(whole.send(requests));
    const std::string expected = whole.receive_until("MN\r\n");
    EXPECT_TRUE(expected.starts_with("STORED\r\n" + value_reply("key", value)));
    for (std::size_t cut = 1; cut < requests.size(); ++cut) {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send(requests.substr(0, cut)));
        // The first part has been taken in before the second is sent.
        const std::uint64_t before = running.total(&ConnectionCounters::bytes_read);
        EXPECT_TRUE(client.send(requests.substr(cut)));
        EXPECT_EQ(client.receive_until("MN\r\n"), expected) << "cut at " << cut;
        EXPECT_GE(running.total(&ConnectionCounters::bytes_read), before);
    }
    TestClient slow = running.connect();
    for (const char letter : requests) EXPECT_TRUE(slow.send({&letter, 1}));
    EXPECT_EQ(slow.receive_until("MN\r\n"), expected);
}

TEST(ServerTest, StoresLargeValuesThroughUploads) {
    Running running;
    TestClient client = running.connect();
    for (const std::size_t bytes : {32u << 10, 100'000u, 1u << 20}) {
        const std::string value = patterned(bytes, static_cast<unsigned>(bytes));
        EXPECT_EQ(client.ask(set_command("large", value)), "STORED\r\n");
        EXPECT_TRUE(running.store.get("large") == value);
        EXPECT_TRUE(client.send("get large\r\n"));
        const std::string expected = value_reply("large", value) + "END\r\n";
        EXPECT_TRUE(client.receive(expected.size()) == expected) << bytes;
    }
}

TEST(ServerTest, KeepsOrderAroundUploads) {
    Running running;
    TestClient client = running.connect();
    const std::string first = patterned(50'000, 1);
    const std::string second = patterned(70'000, 2);
    EXPECT_TRUE(client.send("get v\r\n" + set_command("v", first) + "get v\r\n" +
                            set_command("v", second) + "get v\r\nmn\r\n"));
    const std::string expected = "END\r\nSTORED\r\n" + value_reply("v", first) +
                                 "END\r\nSTORED\r\n" + value_reply("v", second) + "END\r\nMN\r\n";
    EXPECT_TRUE(client.receive(expected.size()) == expected);
}

TEST(ServerTest, AnswersRefusedUploadsInOrderAndSwallowsTheirData) {
    Running running;
    TestClient client = running.connect();
    const std::string refused = patterned((1u << 20) + 1);
    EXPECT_TRUE(client.send("version\r\n" + set_command("a", refused) + "mn\r\n" +
                            set_command("b", refused) + set_command("c", "x") + "mn\r\n"));
    const std::string error = "SERVER_ERROR object too large for cache\r\n";
    const std::string expected = "VERSION fake\r\n" + error + "MN\r\n" + error + "STORED\r\nMN\r\n";
    EXPECT_EQ(client.receive(expected.size()), expected);
}

TEST(ServerTest, ReportsABadDataChunkAfterAnUpload) {
    Running running;
    TestClient client = running.connect();
    const std::string value = patterned(40'000);
    EXPECT_EQ(client.ask("set a 0 0 40000\r\n" + value + "xy"), "CLIENT_ERROR bad data chunk\r\n");
    EXPECT_EQ(client.ask("get a\r\n"), "END\r\n");
}

TEST(ServerTest, AnswersAGetOfVeryManyKeys) {
    ServerConfig config = small_config();
    config.output_bytes_max = 64 << 10;
    Running running(config);
    std::string request = "get";
    std::string expected;
    for (int i = 0; i < 20'000; ++i) {
        const std::string key = "key" + std::to_string(i);
        request += " " + key;
        if (i % 3 != 0) continue;
        const std::string value = patterned(50, static_cast<unsigned>(i));
        running.store.put(key, value);
        expected += value_reply(key, value);
    }
    expected += "END\r\n";
    TestClient client = running.connect();
    for (int round = 0; round < 2; ++round) {
        std::thread sender([&] { EXPECT_TRUE(client.send(request + "\r\nmn\r\n")); });
        EXPECT_TRUE(client.receive(expected.size()) == expected);
        EXPECT_EQ(client.receive(4), "MN\r\n");
        sender.join();
    }
    EXPECT_LE(running.store.largest_batch, config.batch_operations_max);
}

TEST(ServerTest, DropsAGetLineWithoutEnd) {
    ServerConfig config = small_config();
    config.line_bytes_max = 1 << 20;
    Running running(config);
    TestClient client = running.connect();
    std::string line = "get";
    while (line.size() < 2u << 20) line += " key";
    client.send(line);
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
}

TEST(ServerTest, BoundsWhatItKeepsForASlowReader) {
    ServerConfig config = small_config();
    config.output_bytes_max = 256 << 10;
    config.backlog_bytes_max = 16 << 10;
    Running running(config);
    const std::string small = patterned(2000);
    const std::string large = patterned(200'000);
    running.store.put("small", small);
    running.store.put("large", large);
    TestClient client = running.connect();
    std::string requests;
    std::string expected;
    for (int i = 0; i < 4000; ++i) {
        const bool is_large = i % 40 == 39;
        requests += is_large ? "get large\r\n" : "get small\r\n";
        expected +=
            (is_large ? value_reply("large", large) : value_reply("small", small)) + "END\r\n";
    }
    std::thread sender([&] { EXPECT_TRUE(client.send(requests)); });
    // Nothing is read yet: the server stops executing this client's requests, and others go on.
    std::uint64_t executed = 0;
    EXPECT_TRUE(eventually([&] {
        TestClient other = running.connect();
        EXPECT_EQ(other.ask("mn\r\n"), "MN\r\n");
        const std::uint64_t before = std::exchange(executed, running.store.operations.load());
        return executed > 100 && executed - before <= 1;
    }));
    EXPECT_LT(executed, 3500u);
    EXPECT_LT(running.total(&ConnectionCounters::buffer_bytes), 8u << 20);
    EXPECT_TRUE(client.receive(expected.size()) == expected);
    sender.join();
}

TEST(ServerTest, HoldsBackEverythingBehindADeferredCommand) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("mn\r\nbatch run x\r\nmn\r\nversion\r\nbatch now\r\n"));
    std::optional<ConnectionId> waiting;
    EXPECT_TRUE(eventually([&] { return (waiting = running.store.take_deferred()).has_value(); }));
    EXPECT_EQ(client.receive(4), "MN\r\n");
    const std::uint64_t executed = running.store.operations;
    EXPECT_TRUE(client.send("mn\r\n"));
    TestClient other = running.connect();
    EXPECT_EQ(other.ask("version\r\n"), "VERSION fake\r\n");
    EXPECT_EQ(running.store.operations, executed + 1);
    running.server.replier().reply(*waiting, "LATER\r\n");
    EXPECT_EQ(client.receive_until("NOW\r\nMN\r\n"),
              "LATER\r\nMN\r\nVERSION fake\r\nNOW\r\nMN\r\n");
}

TEST(ServerTest, DropsDeferredRepliesToConnectionsThatAreGone) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch run x\r\n"));
    std::optional<ConnectionId> waiting;
    EXPECT_TRUE(eventually([&] { return (waiting = running.store.take_deferred()).has_value(); }));
    client.vanish();
    EXPECT_TRUE(eventually([&] { return running.store.closed == 1; }));
    // One of these has got the slot, and waits for an answer of its own.
    std::vector<TestClient> others;
    std::vector<ConnectionId> fresh;
    for (int i = 0; i < 2; ++i) {
        others.push_back(running.connect());
        EXPECT_TRUE(others.back().send("batch run y\r\n"));
        std::optional<ConnectionId> id;
        EXPECT_TRUE(eventually([&] { return (id = running.store.take_deferred()).has_value(); }));
        fresh.push_back(*id);
    }
    running.server.replier().reply(*waiting, "STALE\r\n");
    for (const ConnectionId id : fresh) running.server.replier().reply(id, "FRESH\r\n");
    for (TestClient& other : others) EXPECT_EQ(other.receive(7), "FRESH\r\n");
}

TEST(ServerTest, AnswersAHalfClosedClientThatWaitsForADeferredReply) {
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch run x\r\nmn\r\n"));
    client.half_close();
    std::optional<ConnectionId> waiting;
    EXPECT_TRUE(eventually([&] { return (waiting = running.store.take_deferred()).has_value(); }));
    running.server.replier().reply(*waiting, "LATER\r\n");
    EXPECT_EQ(client.receive_all(), "LATER\r\nMN\r\n");
}

TEST(ServerTest, LetsNobodyStarveBesideAGreedyClient) {
    Running running(small_config());
    running.store.put("k", patterned(100));
    TestClient greedy = running.connect();
    std::string requests;
    for (int i = 0; i < 100'000; ++i) requests += "get k\r\n";
    const std::size_t reply_bytes = value_reply("k", patterned(100)).size() + 5;
    std::thread sender([&] { EXPECT_TRUE(greedy.send(requests)); });
    std::thread reader(
        [&] { EXPECT_EQ(greedy.receive(100'000 * reply_bytes).size(), 100'000 * reply_bytes); });
    for (int i = 0; i < 20; ++i) {
        TestClient other = running.connect();
        EXPECT_EQ(other.ask("mn\r\n"), "MN\r\n");
    }
    sender.join();
    reader.join();
}

/// The same conversation with every optional feature switched off.
class PlainPathTest : public ::testing::TestWithParam<uring::FeatureSet> {};

TEST_P(PlainPathTest, ServesManyClientsAtOnce) {
    ServerConfig config = small_config();
    config.disabled_features = GetParam();
    config.receive_buffers = 4;  // fewer than clients: running out of them is part of the test
    Running running(config);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 8; ++number) {
        threads.emplace_back([&, number] {
            TestClient client = running.connect();
            for (unsigned round = 0; round < 20; ++round) {
                const std::string key = "k" + std::to_string(number);
                const std::string value = patterned(round * 4000, number + round);
                EXPECT_EQ(client.ask(set_command(key, value)), "STORED\r\n");
                EXPECT_TRUE(client.send("get " + key + "\r\n"));
                const std::string expected = value_reply(key, value) + "END\r\n";
                EXPECT_TRUE(client.receive(expected.size()) == expected);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(
    Features, PlainPathTest,
    ::testing::Values(uring::FeatureSet{}, uring::FeatureSet::all(),
                      uring::FeatureSet{}.with(uring::Feature::DeferTaskrun),
                      uring::FeatureSet{}.with(uring::Feature::MultishotAccept),
                      uring::FeatureSet{}.with(uring::Feature::MultishotReceive),
                      uring::FeatureSet{}.with(uring::Feature::RegisteredRing)));

}  // namespace
}  // namespace shardmill::net
