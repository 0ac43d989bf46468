// Output of deferred operations ahead of their replies.

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "net/deliveries.h"
#include "running_server.h"

namespace shardmill::net::testing {
namespace {

ConnectionId deferred_connection(Running& running) {
    std::optional<ConnectionId> waiting;
    EXPECT_TRUE(eventually([&] { return (waiting = running.store.take_deferred()).has_value(); }));
    return waiting.value_or(ConnectionId{});
}

/// Counts what has become of pushes.
struct Fates {
    std::atomic<int> delivered{0};
    std::atomic<int> lost{0};
    Delivered note() {
        return [this](bool arrived) { ++(arrived ? delivered : lost); };
    }
};

TEST(DeliveriesTest, CountsWhatLiesInFrontOfThem) {
    std::vector<int> done;
    Deliveries deliveries;
    deliveries.add(10, [&](bool delivered) { done.push_back(delivered ? 1 : -1); });
    deliveries.sent(4);
    deliveries.add(6 + 5, [&](bool delivered) { done.push_back(delivered ? 2 : -2); });
    deliveries.add(11 + 1, [&](bool delivered) { done.push_back(delivered ? 3 : -3); });
    EXPECT_TRUE(done.empty());
    deliveries.sent(6);
    EXPECT_EQ(done, std::vector<int>({1}));
    deliveries.sent(4);
    EXPECT_EQ(done, std::vector<int>({1}));
    deliveries.sent(1);
    EXPECT_EQ(done, std::vector<int>({1, 2}));
    deliveries.give_up();
    EXPECT_EQ(done, std::vector<int>({1, 2, -3}));
}

TEST(PushTest, GoesOutAheadOfTheReplyAndInOrder) {
    Running running;
    Fates fates;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("mn\r\nbatch run x\r\nversion\r\n"));
    const ConnectionId waiting = deferred_connection(running);
    Replier& replier = running.server.replier();
    replier.push(waiting, "one\r\n", fates.note());
    replier.push(waiting, "two\r\n", fates.note());
    EXPECT_EQ(client.receive_until("two\r\n"), "MN\r\none\r\ntwo\r\n");
    EXPECT_TRUE(eventually([&] { return fates.delivered == 2; }));
    replier.push(waiting, "three\r\n", fates.note());
    replier.reply(waiting, "END\r\n");
    EXPECT_EQ(client.receive_until("fake\r\n"), "three\r\nEND\r\nVERSION fake\r\n");
    replier.push(waiting, "too late\r\n", fates.note());
    EXPECT_TRUE(eventually([&] { return fates.lost == 1; }));
    EXPECT_EQ(fates.delivered, 3);
    EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n");
}

TEST(PushTest, ReportsDeliveryOnlyWhenTheClientReads) {
    Running running;
    Fates fates;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch run x\r\n"));
    const ConnectionId waiting = deferred_connection(running);
    // More than sockets of both sides take.
    const std::string part = patterned(1u << 20);
    constexpr int kParts = 40;
    std::string expected;
    for (int i = 0; i < kParts; ++i) {
        running.server.replier().push(waiting, part, fates.note());
        expected += part;
    }
    // The first one goes; that the last one cannot is certain once others have been served since.
    EXPECT_TRUE(eventually([&] { return fates.delivered > 0; }));
    TestClient other = running.connect();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(other.ask("version\r\n"), "VERSION fake\r\n");
    EXPECT_LT(fates.delivered, kParts);
    EXPECT_TRUE(client.receive(expected.size()) == expected);
    EXPECT_TRUE(eventually([&] { return fates.delivered == kParts; }));
    running.server.replier().reply(waiting, "END\r\n");
    EXPECT_EQ(client.receive(5), "END\r\n");
}

TEST(PushTest, TellsWhenTheClientHasGone) {
    Running running;
    Fates fates;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch run x\r\n"));
    const ConnectionId waiting = deferred_connection(running);
    constexpr int kParts = 40;
    for (int i = 0; i < kParts; ++i) {
        running.server.replier().push(waiting, patterned(1u << 20), fates.note());
    }
    client.vanish();
    EXPECT_TRUE(eventually([&] { return fates.delivered + fates.lost == kParts; }));
    EXPECT_TRUE(eventually([&] { return running.store.closed == 1; }));
    EXPECT_GT(fates.lost, 0);
}

TEST(PushTest, EndlessConnectionsAreNotListenedTo) {
    Running running;
    Fates fates;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch endless\r\nversion\r\n"));
    const ConnectionId waiting = deferred_connection(running);
    const std::uint64_t executed = running.store.operations;
    // More than would be kept for a connection that only waits.
    EXPECT_TRUE(client.send(patterned(1u << 20)));
    running.server.replier().push(waiting, "line\n", fates.note());
    EXPECT_EQ(client.receive(5), "line\n");
    EXPECT_EQ(running.store.operations, executed);
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::buffer_bytes) == 0; }));
    client.half_close();
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_TRUE(eventually([&] { return running.store.closed == 1; }));
}

TEST(PushTest, StoppingClosesEndlessConnections) {
    Fates fates;
    Running running;
    TestClient client = running.connect();
    EXPECT_TRUE(client.send("batch endless\r\n"));
    const ConnectionId waiting = deferred_connection(running);
    running.server.replier().push(waiting, "line\n", fates.note());
    EXPECT_EQ(client.receive(5), "line\n");
    running.server.stop();
    client.receive_all();
    EXPECT_EQ(running.store.closed, 1);
}

TEST(PushTest, OperationsKnowWhetherOthersCameBeforeThem) {
    Running running;
    TestClient client = running.connect();
    EXPECT_EQ(client.ask("batch pipelined\r\n"), "NO\r\n");
    EXPECT_EQ(client.ask("mn\r\nbatch pipelined\r\n", "S\r\n"), "MN\r\nYES\r\n");
    EXPECT_EQ(client.ask("batch pipelined\r\nbatch pipelined\r\n", "YES\r\n"), "NO\r\nYES\r\n");
    EXPECT_EQ(client.ask("batch pipelined\r\n"), "NO\r\n");
}

}  // namespace
}  // namespace shardmill::net::testing
