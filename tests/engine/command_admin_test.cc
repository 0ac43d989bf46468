#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "command_server.h"
#include "engine/commands.h"
#include "engine/commands_admin.h"
#include "engine/control_port.h"

namespace shardmill::engine {
namespace {

TEST(CommandTableTest, EveryVerbHasAHandler) {
    for (std::size_t number = 0; number < protocol::kVerbs; ++number) {
        const auto verb = static_cast<protocol::Verb>(number);
        const bool handled =
            protocol::has_key(verb) ? key_command(verb) != nullptr : admin_command(verb) != nullptr;
        EXPECT_TRUE(handled) << "verb " << number;
    }
}

TEST(CommandAdminTest, SimpleCommandsAnswer) {
    CommandServer server;
    server.expect({
        {"version\r\n", "VERSION 1.6.45\r\n"},
        {"version x\r\n", "VERSION 1.6.45\r\n"},
        {"mn\r\n", "MN\r\n"},
        {"verbosity 5\r\n", "OK\r\n"},
        {"verbosity\r\n", "CLIENT_ERROR bad command line format\r\n"},
        {"nonsense\r\n", "ERROR\r\n"},
        {"quit\r\n", ""},
        {"shutdown\r\n", "SERVER_ERROR: shutdown not enabled\r\n"},
    });
    EXPECT_EQ(base::verbosity(), 2);
    server.expect({{"verbosity 0 noreply\r\n", ""}});
    EXPECT_EQ(base::verbosity(), 0);
}

TEST(CommandAdminTest, ShutdownTellsTheServerToStop) {
    std::optional<bool> graceful;
    CommandServer server({.stop = [&graceful](bool value) { graceful = value; }});
    server.expect({
        {"shutdown now\r\n", "CLIENT_ERROR invalid shutdown mode\r\n"},
        {"shutdown gracefully\r\n", "CLIENT_ERROR invalid shutdown mode\r\n"},
        {"shutdown graceful now\r\n", "CLIENT_ERROR invalid shutdown mode\r\n"},
        {"shutdown noreply\r\n", ""},
    });
    EXPECT_FALSE(graceful.has_value());
    server.expect({{"shutdown\r\n", ""}});
    EXPECT_EQ(graceful, false);
    server.expect({{"shutdown graceful\r\n", ""}});
    EXPECT_EQ(graceful, true);
}

std::string many_sets(int count) {
    std::string sets;
    for (int i = 0; i < count; ++i)
        sets += "set key" + std::to_string(i) + " 0 0 1 noreply\r\nx\r\n";
    return sets;
}

TEST(CommandAdminTest, FlushAllTakesWhatWasThereAndNothingSetAfterwards) {
    CommandServer server;
    server.ask(many_sets(100));
    EXPECT_EQ(server.ask("flush_all\r\nset key1 0 0 1\r\ny\r\nget key0 key1 key2\r\n"),
              "OK\r\nSTORED\r\nVALUE key1 0 1\r\ny\r\nEND\r\n");
    server.pass_time(10);
    server.expect({
        {"get key1\r\n", "VALUE key1 0 1\r\ny\r\nEND\r\n"},
        {"flush_all noreply\r\n", ""},
        {"get key1\r\n", "END\r\n"},
        {"flush_all -1\r\n", "OK\r\n"},
        {"flush_all 0\r\n", "OK\r\n"},
        {"flush_all x\r\n", "CLIENT_ERROR invalid exptime argument\r\n"},
    });
    EXPECT_EQ(server.stat("cmd_flush"), 5u);  // the wrong one, too
}

TEST(CommandAdminTest, FlushAllWithADelayWaits) {
    CommandServer server;
    server.expect({
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"flush_all 10\r\n", "OK\r\n"},
        {"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"},
    });
    server.pass_time(9);
    server.expect({{"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"}});
    server.pass_time(1);
    server.expect({
        {"get a\r\n", "END\r\n"},
        {"set a 0 0 1\r\ny\r\n", "STORED\r\n"},
        {"get a\r\n", "VALUE a 0 1\r\ny\r\nEND\r\n"},
        {"flush_all 2592001\r\n", "OK\r\n"},  // 1970: nothing is that old
        {"get a\r\n", "VALUE a 0 1\r\ny\r\nEND\r\n"},
    });
}

TEST(CommandAdminTest, ALaterFlushAllReplacesThePendingOne) {
    CommandServer server;
    server.expect({
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"flush_all 5\r\n", "OK\r\n"},
        {"flush_all 100 noreply\r\n", ""},
    });
    server.pass_time(6);
    server.expect({{"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"},
                   {"flush_all 2592001\r\n", "OK\r\n"}});  // 1970: nothing dies, nothing waits
    server.pass_time(100);
    server.expect({{"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"}});
    server.ask("flush_all " + std::to_string(server.now() + 3) + "\r\n");
    server.pass_time(2);
    server.expect({{"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"}});
    server.pass_time(1);
    server.expect({{"get a\r\n", "END\r\n"}});
}

TEST(CommandAdminTest, FlushAllOfAPastMomentTakesWhatWasNotUsedSince) {
    CommandServer server;
    server.expect({{"set a 0 0 1\r\nx\r\n", "STORED\r\n"}, {"set b 0 0 1\r\nx\r\n", "STORED\r\n"}});
    server.pass_time(10);
    server.expect({{"get b\r\n", "VALUE b 0 1\r\nx\r\nEND\r\n"}});
    const std::string then = std::to_string(server.now());
    server.pass_time(10);
    server.expect({
        {"flush_all " + then + "\r\n", "OK\r\n"},
        {"get a b\r\n", "VALUE b 0 1\r\nx\r\nEND\r\n"},
    });
    EXPECT_EQ(server.stat("get_flushed") + server.stat("curr_items"), 1u);
}

TEST(CommandAdminTest, CacheMemlimitChangesTheLimit) {
    CommandServer server;  // 64 MiB, not to be raised
    server.expect({
        {"cache_memlimit\r\n", "ERROR\r\n"},
        {"cache_memlimit x\r\n", "ERROR\r\n"},
        {"cache_memlimit -8\r\n", "ERROR\r\n"},
        {"cache_memlimit 7\r\n", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"},
        {"cache_memlimit 1000000001\r\n",
         "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"},
        {"cache_memlimit 65\r\n", "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"},
        {"cache_memlimit 7 noreply\r\n", ""},
    });
    EXPECT_EQ(server.stat("limit_maxbytes"), 64u << 20);
    server.expect({{"cache_memlimit 32 more\r\n", "OK\r\n"}});
    EXPECT_EQ(server.stat("limit_maxbytes"), 32u << 20);
    server.expect({{"cache_memlimit 8 noreply\r\n", ""}});
    EXPECT_EQ(server.stat("limit_maxbytes"), 8u << 20);
}

TEST(CommandAdminTest, FlushAllCanBeForbidden) {
    CommandServer server({.flush_enabled = false});
    server.expect({
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"flush_all\r\n", "CLIENT_ERROR flush_all not allowed\r\n"},
        {"flush_all x\r\n", "CLIENT_ERROR flush_all not allowed\r\n"},
        {"flush_all noreply\r\n", ""},
        {"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"},
    });
    EXPECT_EQ(server.stat("cmd_flush"), 3u);
}

struct RecordingPort final : ControlPort {
    std::vector<ControlRequest> requests;
    std::vector<net::ConnectionId> closed;
    void submit(ControlRequest request) override { requests.push_back(std::move(request)); }
    void connection_closed(net::ConnectionId connection) override { closed.push_back(connection); }
};

void close(net::Executor& executor, net::ConnectionId id) {
    const net::PeerAddress peer;
    executor.connection_closed({.id = id, .socket = 3, .peer = peer}, net::CloseReason::Normal);
}

TEST(CommandAdminTest, BatchAndSnapshotCommandsGoToTheControlPlane) {
    RecordingPort port;
    CommandServer server({.control = &port});
    EXPECT_EQ(server.ask("batch run count prefix=a:\r\n"), "");
    EXPECT_EQ(server.last_deferred(), 1u);
    EXPECT_EQ(server.ask("snapshot save\r\n"), "");
    EXPECT_EQ(server.ask("stats batch\r\n"), "");
    EXPECT_EQ(server.ask("stats snapshot\r\n"), "");
    using Kind = ControlRequest::Kind;
    ASSERT_EQ(port.requests.size(), 4u);
    EXPECT_EQ(port.requests[0].kind, Kind::Batch);
    EXPECT_EQ(port.requests[0].arguments, "run count prefix=a:");
    EXPECT_EQ(port.requests[1].kind, Kind::Snapshot);
    EXPECT_EQ(port.requests[1].arguments, "save");
    EXPECT_EQ(port.requests[2].kind, Kind::StatsBatch);
    EXPECT_EQ(port.requests[3].kind, Kind::StatsSnapshot);
    close(server.executor(), {.reactor = 0, .slot = 7, .generation = 9});
    ASSERT_EQ(port.closed.size(), 1u);
    EXPECT_EQ(port.closed[0].slot, 7u);
}

TEST(CommandAdminTest, WithoutAControlPlaneItsCommandsAreRefused) {
    CommandServer server;
    const std::string refused = "SERVER_ERROR no control plane is configured\r\n";
    server.expect({
        {"batch list\r\n", refused},
        {"snapshot list\r\n", refused},
        {"stats batch\r\n", refused},
    });
    EXPECT_EQ(server.last_deferred(), 0u);
    close(server.executor(), {});
}

TEST(HousekeepingTest, ReclaimsWhatExpiredWithoutAnyTraffic) {
    CommandServer server({.shards = 4});
    for (int i = 0; i < 2000; ++i) {
        server.ask("set key" + std::to_string(i) + " 0 5 1000\r\n" + std::string(1000, 'x') +
                   "\r\n");
    }
    ASSERT_EQ(server.stat("curr_items"), 2000u);
    server.pass_time(10);
    int calls = 0;
    while (server.executor().housekeep()) ++calls;
    EXPECT_LT(server.stat("curr_items"), 2000u);
    EXPECT_LT(calls, 10'000) << "each piece is bounded, and so is their number";
    EXPECT_FALSE(server.executor().housekeep()) << "nothing to do until the clock moves";
}

}  // namespace
}  // namespace shardmill::engine
