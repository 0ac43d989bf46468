#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "binary_exchange.h"
#include "command_server.h"
#include "engine/control_port.h"
#include "engine/stat_packets.h"

namespace shardmill::engine {
namespace {

TEST(CommandBinaryAdminTest, SimpleCommandsAnswer) {
    const Packet version{.opcode = 0x0b, .value = "1.6.45", .magic = 0x81};
    expect({}, {
                   {{.opcode = 0x0a}, {success(0x0a)}},
                   {{.opcode = 0x0b}, {version}},
                   {{.opcode = 0x20}, {failure(0x20, 0x81, "Unknown command")}},
                   {keyed(0x21, "PLAIN", "x"), {failure(0x21, 0x81, "Unknown command")}},
                   {keyed(0x22, "PLAIN", "x"), {failure(0x22, 0x81, "Unknown command")}},
                   {keyed(0x30, "key", "value"), {failure(0x30, 0x81, "Unknown command")}},
               });
}

TEST(CommandBinaryAdminTest, WhatClosesAConnectionIsAnswered) {
    const BinaryExchange exchanges[] = {
        {{.opcode = 0x07}, {success(0x07)}},
        {{.opcode = 0x17}, {}},
        {keyed(0x00, ""), {failure(0x00, 4, "Invalid arguments")}},
        {{.opcode = 0x0a, .extras = "x"}, {failure(0x0a, 4, "Invalid arguments")}},
        {{.opcode = 0x00, .key = "key", .body_bytes = 1}, {failure(0x00, 0x81, "Unknown command")}},
    };
    for (const BinaryExchange& exchange : exchanges) expect({}, {exchange});
}

TEST(CommandBinaryAdminTest, FlushTakesWhatWasThere) {
    CommandServer server;
    const std::string get = keyed(0x00, "a").bytes();
    const std::string gone = not_found(0x00).bytes();
    const std::string set = store(0x11, "a", "x").bytes();
    const std::string kept = hit(0x00, 0, "x").bytes();
    EXPECT_EQ(server.ask(set + Packet{0x08}.bytes() + get), success(0x08).bytes() + gone);
    EXPECT_EQ(server.ask(set + Packet{0x18}.bytes() + get), gone);
    EXPECT_EQ(server.ask(set + Packet{0x18, u32(0)}.bytes() + get), gone);
    EXPECT_EQ(without_cas(server.ask(set + Packet{0x08, u32(10)}.bytes() + get)),
              success(0x08).bytes() + kept);
    server.pass_time(9);
    EXPECT_EQ(without_cas(server.ask(get)), kept);
    server.pass_time(1);
    EXPECT_EQ(server.ask(get), gone);
    EXPECT_EQ(server.stat("cmd_flush"), 4u);
    // Nobody will see the year 2106, nor a date before the server's start.
    EXPECT_EQ(without_cas(server.ask(set + Packet{0x18, u32(~0u)}.bytes() + get)), kept);
    EXPECT_EQ(without_cas(server.ask(Packet{0x18, u32(2'592'001)}.bytes() + get)), kept);
}

TEST(CommandBinaryAdminTest, AForbiddenFlushIsAnAuthenticationError) {
    expect({.flush_enabled = false},
           {
               {store(0x11, "a", "x"), {}},
               {{.opcode = 0x08}, {failure(0x08, 0x20, "Auth failure.")}},
               {{.opcode = 0x18, .extras = u32(1)}, {failure(0x18, 0x20, "Auth failure.")}},
               {keyed(0x00, "a"), {hit(0x00, 0, "x")}},
           });
}

/// The lines of a STAT; fails if it does not end as it should.
std::map<std::string, std::string> statistics(CommandServer& server, const std::string& topic) {
    const std::string replies = server.ask(
        Packet{.opcode = 0x10, .key = topic, .opaque = 7}.bytes() + Packet{0x0a}.bytes());
    const std::string end =
        Packet{.opcode = 0x10, .opaque = 7, .magic = 0x81}.bytes() + success(0x0a).bytes();
    EXPECT_TRUE(replies.ends_with(end)) << topic << "\n" << shown(replies);
    std::map<std::string, std::string> lines;
    for (std::size_t at = 0; at + end.size() < replies.size();) {
        const std::size_t key_bytes = base::load_big<std::uint16_t>(replies.data() + at + 2);
        const std::size_t body_bytes = base::load_big<std::uint32_t>(replies.data() + at + 8);
        EXPECT_GT(key_bytes, 0u);
        lines[replies.substr(at + 24, key_bytes)] =
            replies.substr(at + 24 + key_bytes, body_bytes - key_bytes);
        at += 24 + body_bytes;
    }
    return lines;
}

TEST(CommandBinaryAdminTest, StatIsOnePacketALine) {
    CommandServer server;
    server.ask(store(0x11, "a", "x").bytes() + keyed(0x00, "a").bytes());
    auto general = statistics(server, "");
    EXPECT_EQ(general["cmd_get"], "1");
    EXPECT_EQ(general["version"], "1.6.45");
    EXPECT_EQ(general["curr_items"], "1");
    EXPECT_EQ(statistics(server, "settings")["maxbytes"], "67108864");
    EXPECT_EQ(statistics(server, "items")["items:1:number"], "1");
    EXPECT_TRUE(statistics(server, "slabs").contains("active_slabs"));
    EXPECT_FALSE(statistics(server, "sizes").empty());
    EXPECT_TRUE(statistics(server, "reset").empty());
    EXPECT_EQ(statistics(server, "")["cmd_get"], "0");
    EXPECT_TRUE(statistics(server, "resetting").empty());
    EXPECT_EQ(statistics(server, "settings of all")["maxbytes"], "67108864");
}

TEST(CommandBinaryAdminTest, OtherTopicsOfStatisticsHaveNoPackets) {
    for (const char* topic : {"conns", "cachedump 1 1", "batch", "snapshot", "r", "nonsense",
                              "detail nonsense", " ", "items x"}) {
        expect({}, {{keyed(0x10, topic), {not_found(0x10)}}});
    }
}

TEST(CommandBinaryAdminTest, DetailIsSwitchedAndDumpedAsOneValue) {
    CommandServer server;
    EXPECT_TRUE(statistics(server, "detail on").empty());
    server.ask(store(0x11, "user:1", "x").bytes() + keyed(0x09, "user:1").bytes() +
               keyed(0x09, "user:2").bytes() + keyed(0x14, "user:1").bytes());
    EXPECT_EQ(statistics(server, "detail dump")["detailed"],
              "PREFIX user get 2 hit 1 set 1 del 1\r\nEND\r\n");
    EXPECT_TRUE(statistics(server, "detail off").empty());
    server.ask(keyed(0x09, "user:2").bytes());
    EXPECT_EQ(statistics(server, "detail dump")["detailed"],
              "PREFIX user get 2 hit 1 set 1 del 1\r\nEND\r\n");
}

/// Takes what the control plane is asked for.
struct Recorder final : ControlPort {
    std::vector<ControlRequest> requests;
    void submit(ControlRequest request) override { requests.push_back(std::move(request)); }
    void connection_closed(net::ConnectionId) override {}
};

TEST(CommandBinaryAdminTest, LinesInPacketsGoWhereLinesGo) {
    Recorder recorder;
    CommandServer server({.control = &recorder});
    EXPECT_EQ(
        server.ask(
            Packet{.opcode = 0xb0, .value = "batch run - payload=3 name=x\r\na|b\r\n"}.bytes()),
        "");
    EXPECT_EQ(server.last_deferred(), 1u);
    EXPECT_EQ(server.ask(Packet{.opcode = 0xb0, .value = "snapshot list"}.bytes()), "");
    ASSERT_EQ(recorder.requests.size(), 2u);
    EXPECT_EQ(recorder.requests[0].kind, ControlRequest::Kind::Batch);
    EXPECT_EQ(recorder.requests[0].arguments, "run - payload=3 name=x");
    EXPECT_EQ(recorder.requests[0].payload, "a|b");
    EXPECT_EQ(recorder.requests[1].kind, ControlRequest::Kind::Snapshot);
    EXPECT_EQ(recorder.requests[1].arguments, "list");
    EXPECT_EQ(recorder.requests[1].payload, "");
}

TEST(CommandBinaryAdminTest, LongReportsAreMadeElsewhereAndComeInPackets) {
    Recorder recorder;
    CommandServer server({.control = &recorder});
    EXPECT_EQ(server.ask(Packet{.opcode = 0x10, .key = "sizes", .opaque = 0x01020304}.bytes()), "");
    EXPECT_EQ(server.last_deferred(), 1u);
    ASSERT_EQ(recorder.requests.size(), 1u);
    const ControlRequest& asked = recorder.requests[0];
    EXPECT_EQ(asked.kind, ControlRequest::Kind::Stats);
    EXPECT_EQ(asked.arguments, "sizes");
    std::string packets;
    append_stat_packets(packets, asked, "STAT 96 1\r\nSTAT 128 2\r\nEND\r\n");
    const auto line = [](std::string name, std::string value) {
        return Packet{.opcode = 0x10,
                      .key = std::move(name),
                      .value = std::move(value),
                      .opaque = 0x01020304,
                      .magic = 0x81};
    };
    EXPECT_EQ(shown(packets), shown(joined({line("96", "1"), line("128", "2"), line("", "")})));
}

TEST(CommandBinaryAdminTest, WhatIsAnsweredAtOnceIsTextInAPacket) {
    const auto answer = [](std::string text) {
        return Packet{.opcode = 0xb0, .value = std::move(text), .opaque = 5, .magic = 0x81};
    };
    expect({},
           {
               {{.opcode = 0xb0, .value = "get a\r\n"}, {failure(0xb0, 0x81, "Unknown command")}},
               {{.opcode = 0xb0, .value = "batch run - payload=x\r\n", .opaque = 5},
                {answer("CLIENT_ERROR bad payload length\r\n")}},
               {{.opcode = 0xb0, .value = "batch list", .opaque = 5},
                {answer("SERVER_ERROR no control plane is configured\r\n")}},
           });
}

}  // namespace
}  // namespace shardmill::engine
