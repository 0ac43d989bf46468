#include "engine/connection_commands.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "control_fakes.h"

namespace shardmill::engine {
namespace {

/// Answers when the test says so.
struct FakeServer final : net::ServerControl {
    std::vector<RefreshDone> refreshing;
    std::vector<ListDone> listing;
    void refresh_certs(RefreshDone done) override { refreshing.push_back(std::move(done)); }
    void list_connections(ListDone done) override { listing.push_back(std::move(done)); }
};

constexpr net::ConnectionId kAsking{.reactor = 1, .slot = 7, .generation = 3};

TEST(ConnectionCommandsTest, ListsListenersAndConnections) {
    FakeServer server;
    FakeReplier replier;
    ConnectionCommands commands(server, replier);
    commands.list(kAsking);
    ASSERT_EQ(server.listing.size(), 1u);
    EXPECT_TRUE(replier.replies.empty());
    server.listing.front()({
        {.socket = 5,
         .address = "tcp:0.0.0.0:11211",
         .listen_address = {},
         .state = "conn_listening",
         .idle_s = 0,
         .id = {}},
        {.socket = 8,
         .address = "tcp:127.0.0.1:40000",
         .listen_address = "tcp:127.0.0.1:11211",
         .state = "conn_io_pending",
         .idle_s = 9,
         .id = kAsking},
        {.socket = 9,
         .address = "tcp6:[::1]:40001",
         .listen_address = "tcp6:[::1]:11211",
         .state = "conn_nread",
         .idle_s = 12,
         .id = {.reactor = 1, .slot = 7, .generation = 4}},
    });
    ASSERT_EQ(replier.replies[7].size(), 1u);
    EXPECT_EQ(replier.replies[7].front(),
              "STAT 5:addr tcp:0.0.0.0:11211\r\n"
              "STAT 5:state conn_listening\r\n"
              "STAT 5:secs_since_last_cmd 0\r\n"
              "STAT 8:addr tcp:127.0.0.1:40000\r\n"
              "STAT 8:listen_addr tcp:127.0.0.1:11211\r\n"
              "STAT 8:state conn_parse_cmd\r\n"
              "STAT 8:secs_since_last_cmd 0\r\n"
              "STAT 9:addr tcp6:[::1]:40001\r\n"
              "STAT 9:listen_addr tcp6:[::1]:11211\r\n"
              "STAT 9:state conn_nread\r\n"
              "STAT 9:secs_since_last_cmd 12\r\n"
              "END\r\n");
}

TEST(ConnectionCommandsTest, MarksSocketsOfDatagrams) {
    FakeServer server;
    FakeReplier replier;
    ConnectionCommands commands(server, replier);
    commands.list(kAsking);
    server.listing.front()({{.socket = 6,
                             .address = "udp:127.0.0.1:11211",
                             .listen_address = {},
                             .state = "conn_read",
                             .idle_s = 0,
                             .id = {}}});
    EXPECT_EQ(replier.replies[7].front(),
              "STAT 6:UDP UDP\r\n"
              "STAT 6:addr udp:127.0.0.1:11211\r\n"
              "STAT 6:state conn_read\r\n"
              "STAT 6:secs_since_last_cmd 0\r\n"
              "END\r\n");
}

TEST(ConnectionCommandsTest, SaysWhatBecameOfTheCertificates) {
    FakeServer server;
    FakeReplier replier;
    ConnectionCommands commands(server, replier);
    commands.refresh_certs(kAsking, false);
    commands.refresh_certs(kAsking, false);
    commands.refresh_certs(kAsking, true);
    ASSERT_EQ(server.refreshing.size(), 3u);
    server.refreshing[0]({});
    server.refreshing[1](std::unexpected("Error TLS not enabled"));
    server.refreshing[2](std::unexpected("Error TLS not enabled"));
    EXPECT_EQ(replier.replies[7],
              (std::vector<std::string>{"OK\r\n", "Error TLS not enabled\r\n", ""}));
}

}  // namespace
}  // namespace shardmill::engine
