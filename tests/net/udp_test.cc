#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "net/udp_frame.h"
#include "protocol/binary_parser.h"
#include "running_server.h"
#include "udp_client.h"

namespace shardmill::net {
namespace {

using namespace net::testing;

ServerConfig udp_config(const char* host = "127.0.0.1") {
    ServerConfig config = small_config();
    config.udp = {{.host = host, .port = -1}};
    return config;
}

/// Nobody is trusted.
ServerConfig untrusting_config() {
    ServerConfig config = udp_config();
    config.udp_trusted = {*base::Network::parse("192.0.2.0/24")};
    return config;
}

struct RunningUdp : Running {
    explicit RunningUdp(const ServerConfig& config = udp_config()) : Running(config) {
        for (const BoundAddress& address : server.bound()) {
            if (address.kind == BoundAddress::Kind::Udp4) udp_port = address.port;
            if (address.kind == BoundAddress::Kind::Udp6) udp6_port = address.port;
        }
    }
    bool drops(std::uint64_t count) {
        return eventually([&] { return total(&ConnectionCounters::udp_dropped) == count; });
    }
    std::uint16_t udp_port = 0;
    std::uint16_t udp6_port = 0;
};

std::string binary_request(std::uint8_t opcode, std::string_view key, std::uint32_t opaque) {
    std::string packet(protocol::kBinaryHeaderBytes, '\0');
    packet[0] = static_cast<char>(protocol::kRequestMagic);
    packet[1] = static_cast<char>(opcode);
    base::store_big(packet.data() + 2, static_cast<std::uint16_t>(key.size()));
    base::store_big(packet.data() + 8, static_cast<std::uint32_t>(key.size()));
    base::store_big(packet.data() + 12, opaque);
    return packet.append(key);
}

TEST(UdpTest, AnswersOneDatagramWithOne) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    EXPECT_EQ(client.ask("set a 0 0 3\r\nabc\r\n"), "STORED\r\n");
    EXPECT_EQ(client.ask("get a\r\n"), value_reply("a", "abc") + "END\r\n");
    EXPECT_EQ(client.ask("get nothing\r\n"), "END\r\n");
    EXPECT_EQ(client.ask("nonsense\r\n"), "ERROR\r\n");
    EXPECT_EQ(running.total(&ConnectionCounters::current), 0u);
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::udp_requests) == 4; }));
}

TEST(UdpTest, ListensOnBothFamilies) {
    RunningUdp running(udp_config(""));
    ASSERT_NE(running.udp_port, 0);
    ASSERT_EQ(running.udp_port, running.udp6_port);
    UdpClient v4(running.udp_port);
    UdpClient v6(running.udp6_port, "::1");
    EXPECT_EQ(v4.ask(set_command("a", "1")), "STORED\r\n");
    EXPECT_EQ(v6.ask("get a\r\n"), value_reply("a", "1") + "END\r\n");
}

TEST(UdpTest, SeveralCommandsOfADatagramAreOneMessage) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    EXPECT_EQ(
        client.ask(set_command("a", "1") + "get a b\r\nbatch now\r\nversion\r\nquit\r\nmn\r\n"),
        "STORED\r\n" + value_reply("a", "1") + "END\r\nNOW\r\nVERSION fake\r\n");
}

TEST(UdpTest, LongRepliesAreCutIntoFullDatagrams) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    // Text alone, then values that are sent from where they are.
    for (const std::size_t bytes : {1000u, 1371u, 1372u, 1373u, 4000u, 4096u, 20'000u, 700'000u}) {
        const std::string value = patterned(bytes);
        running.store.put("k", value);
        const std::string wanted = value_reply("k", value) + "END\r\n";
        EXPECT_EQ(client.ask("get k\r\n") == wanted, true) << bytes;
        EXPECT_EQ(client.ask("get k x k\r\nmn\r\n") ==
                      value_reply("k", value) + value_reply("k", value) + "END\r\nMN\r\n",
                  true)
            << bytes;
    }
}

TEST(UdpTest, ARequestMayFillADatagram) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    const std::string value = patterned(65'507 - kUdpFrameBytes - 21 - 2);
    const std::string request = "set large 0 0 " + std::to_string(value.size()) + "\r\n";
    EXPECT_EQ(client.ask(request + value + "\r\n"), "STORED\r\n");
    EXPECT_EQ(running.store.get("large") == value, true);
    std::string many;
    std::string wanted;
    for (int i = 0; i < 5000; ++i) {
        many += "mn\r\nget x\r\n";
        wanted += "MN\r\nEND\r\n";
    }
    EXPECT_EQ(client.ask(many) == wanted, true);
}

TEST(UdpTest, WhatIsNoRequestIsDropped) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    client.send_raw("");
    client.send_raw("x");
    client.send_raw(UdpClient::frame(1, 0, 1, ""));
    client.send(2, "version\r\n", 0);
    client.send(3, "version\r\n", 2);
    client.send(4, "version\r\n", 257);
    client.send(5, "version\r\n");
    EXPECT_EQ(client.receive_message(5), "VERSION fake\r\n");
    EXPECT_TRUE(client.silent());
    EXPECT_EQ(running.store.operations, 1u);
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::udp_dropped) >= 5; }));
}

TEST(UdpTest, AnIncompleteCommandIsNeverCompletedByTheNextDatagram) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    for (const std::string& begun :
         {std::string("get a"), std::string("set a 0 0 10\r\n"), std::string("set a 0 0 10\r\nabc"),
          "set a 0 0 40000\r\n" + std::string(30'000, 'a'),
          binary_request(0x00, "abc", 7).substr(0, 25)}) {
        client.send(1, begun);
        EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n") << begun.substr(0, 20);
        UdpClient another(running.udp_port);
        EXPECT_EQ(another.ask("version\r\n"), "VERSION fake\r\n");
    }
    // A refusal does not wait for what is refused.
    EXPECT_EQ(client.ask("set a 0 0 9999999\r\nx"), "SERVER_ERROR object too large for cache\r\n");
    EXPECT_FALSE(running.store.get("a").has_value());
    EXPECT_EQ(running.store.uploads, 0);
}

TEST(UdpTest, ADeferredReplyComesWhenItIsThere) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    client.send(77, "version\r\nbatch later\r\nmn\r\n");
    std::optional<ConnectionId> id;
    ASSERT_TRUE(eventually([&] { return (id = running.store.take_deferred()).has_value(); }));
    EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n");
    running.server.replier().reply(*id, "LATER\r\n");
    EXPECT_EQ(client.receive_message(77), "VERSION fake\r\nLATER\r\nMN\r\n");
    running.server.replier().reply(*id, "twice\r\n");
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
}

TEST(UdpTest, PushedOutputStandsBeforeTheReply) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    client.send(1, "batch later\r\n");
    std::optional<ConnectionId> id;
    ASSERT_TRUE(eventually([&] { return (id = running.store.take_deferred()).has_value(); }));
    std::atomic<int> delivered{0};
    for (const char* line : {"one\r\n", "two\r\n"}) {
        running.server.replier().push(*id, line, [&](bool yes) { delivered += yes ? 1 : 0; });
    }
    running.server.replier().reply(*id, "three\r\n");
    EXPECT_EQ(client.receive_message(1), "one\r\ntwo\r\nthree\r\n");
    EXPECT_EQ(delivered, 2);
}

TEST(UdpTest, WaitingRequestsTakeHalfOfThePlaces) {
    ServerConfig config = udp_config();
    config.reactors = 1;
    config.datagrams_max = 8;
    RunningUdp running(config);
    UdpClient client(running.udp_port);
    for (std::uint16_t i = 0; i < 6; ++i) client.send(i, "batch later\r\n");
    EXPECT_TRUE(running.drops(2));
    EXPECT_EQ(running.store.closed, 2);
    EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n");
    for (std::uint16_t i = 0; i < 4; ++i) {
        const auto id = running.store.take_deferred();
        ASSERT_TRUE(id.has_value());
        running.server.replier().reply(*id, "LATER\r\n");
        EXPECT_EQ(client.receive_message(i), "LATER\r\n");
    }
}

TEST(UdpTest, AFloodIsDroppedAndCountedAndForgotten) {
    ServerConfig config = udp_config();
    config.reactors = 1;
    config.datagrams_max = 4;
    RunningUdp running(config);
    // More than there are places, all of them busy for several turns.
    std::string busy;
    for (int i = 0; i < 4000; ++i) busy += "mn\r\n";
    UdpClient flood(running.udp_port);
    for (int i = 0; i < 200; ++i) flood.send(1, busy);
    UdpClient client(running.udp_port);
    EXPECT_TRUE(eventually([&] {
        client.send(9, "version\r\n");
        const auto reply = client.receive(50);
        return reply && reply->payload == "VERSION fake\r\n";
    }));
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::udp_dropped) != 0; }));
}

TEST(UdpTest, StopsWithRequestsUnderWay) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    for (std::uint16_t i = 0; i < 10; ++i) client.send(i, "batch later\r\n");
    EXPECT_TRUE(eventually([&] {
        const std::lock_guard lock(running.store.mutex);
        return running.store.deferred.size() == 10;
    }));
}

TEST(UdpTest, WatchersAndDumpsAreForConnections) {
    RunningUdp running;
    UdpClient client(running.udp_port);
    EXPECT_EQ(client.ask("mn\r\nwatch\r\nversion\r\n"), "MN\r\nERROR\r\nVERSION fake\r\n");
    EXPECT_EQ(client.ask("lru_crawler metadump all\r\n"), "ERROR\r\n");
    EXPECT_EQ(client.ask("lru_crawler mgdump hash\r\n"), "ERROR\r\n");
    EXPECT_EQ(running.store.operations, 2u);
}

TEST(UdpTest, WhoeverIsNotTrustedNeverGetsMoreThanHeHasSent) {
    RunningUdp running(untrusting_config());
    UdpClient client(running.udp_port);
    running.store.put("a", patterned(4));
    running.store.put("k", patterned(3000));
    std::size_t sent = 0;
    std::size_t received = 0;
    for (const std::string& request :
         {std::string("get a\r\n"), std::string("get k\r\n"), std::string("version\r\n"),
          "get " + std::string(40, 'a') + " k\r\n", std::string("mn\r\n"), set_command("x", "y"),
          binary_request(0x00, "a", 1), binary_request(0x0b, "", 2)}) {
        client.send(1, request);
        sent += request.size() + kUdpFrameBytes;
        client.send(2, "mn\r\n");  // always answered: shorter than itself
        sent += 4 + kUdpFrameBytes;
        for (auto reply = client.receive();; reply = client.receive()) {
            ASSERT_TRUE(reply.has_value()) << request;
            received += reply->bytes;
            if (reply->request_id == 2) break;
        }
        EXPECT_LE(received, sent) << request;
    }
    EXPECT_GT(running.total(&ConnectionCounters::udp_refused), 0u);
}

TEST(UdpTest, ALongReplyToAStrangerBecomesAnErrorThatFits) {
    RunningUdp running(untrusting_config());
    UdpClient client(running.udp_port);
    running.store.put("k", patterned(3000));
    EXPECT_EQ(client.ask("get " + std::string(30, 'k') + " k\r\n"), "SERVER_ERROR too long\r\n");
    EXPECT_EQ(client.ask(set_command("x", "value")), "STORED\r\n");
    EXPECT_EQ(running.total(&ConnectionCounters::udp_refused), 1u);
    // Too short even for the error: nothing.
    client.send(1, "get k\r\n");
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::udp_refused) == 2; }));
    EXPECT_TRUE(client.silent());
    // Long requests may have replies of several datagrams.
    const std::string long_request = "get " + std::string(240, 'x') + " k\r\n";
    std::string requests;
    for (int i = 0; i < 20; ++i) requests += long_request;
    running.store.put("k", patterned(100));
    std::string wanted;
    for (int i = 0; i < 20; ++i) wanted += value_reply("k", patterned(100)) + "END\r\n";
    EXPECT_EQ(client.ask(requests) == wanted, true);
}

TEST(UdpTest, ALongReplyToAStrangerOfTheBinaryProtocolIsABareStatus) {
    RunningUdp running(untrusting_config());
    UdpClient client(running.udp_port);
    const std::string reply = client.ask(binary_request(0x0b, "", 0x01020304));
    ASSERT_EQ(reply.size(), protocol::kBinaryHeaderBytes);
    EXPECT_EQ(static_cast<unsigned char>(reply[0]), protocol::kReplyMagic);
    EXPECT_EQ(reply[1], 0x0b);
    EXPECT_EQ(base::load_big<std::uint16_t>(reply.data() + 6), 3);
    EXPECT_EQ(base::load_big<std::uint32_t>(reply.data() + 8), 0u);
    EXPECT_EQ(base::load_big<std::uint32_t>(reply.data() + 12), 0x01020304u);
}

TEST(UdpTest, TrustedNetworksAreMatched) {
    ServerConfig config = untrusting_config();
    config.udp_trusted.push_back(*base::Network::parse("127.0.0.0/30"));
    RunningUdp running(config);
    running.store.put("k", patterned(3000));
    UdpClient client(running.udp_port);
    EXPECT_EQ(client.ask("get k\r\n"), value_reply("k", patterned(3000)) + "END\r\n");
}

TEST(UdpTest, TheWholeReplyMustFitIntoWhatMayBePending) {
    ServerConfig config = udp_config();
    config.output_bytes_max = 10'000;
    RunningUdp running(config);
    running.store.put("k", patterned(8000));
    UdpClient client(running.udp_port);
    EXPECT_EQ(client.ask("get k\r\n"), value_reply("k", patterned(8000)) + "END\r\n");
    EXPECT_EQ(client.ask("batch now\r\nget k\r\nbatch now\r\nget k\r\nbatch now\r\nmn\r\n"),
              "SERVER_ERROR too long\r\n");
}

TEST(UdpTest, APortInUseIsNamed) {
    RunningUdp running;
    ServerConfig config = small_config();
    config.udp = {{.host = "127.0.0.1", .port = running.udp_port}};
    FakeStore store;
    FakeExecutors executors(store, config.reactors);
    Server server(config, executors.pointers());
    const auto started = server.start();
    ASSERT_FALSE(started.has_value());
    EXPECT_NE(started.error().find("UDP 127.0.0.1 port " + std::to_string(running.udp_port)),
              std::string::npos)
        << started.error();
    EXPECT_NE(started.error().find("-U"), std::string::npos);
}

TEST(UdpTest, MayBeTheOnlyThingListenedOn) {
    ServerConfig config = udp_config();
    config.listen.clear();
    RunningUdp running(config);
    UdpClient client(running.udp_port);
    EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n");
}

class UdpFeatureTest : public ::testing::TestWithParam<uring::FeatureSet> {};

TEST_P(UdpFeatureTest, ServesManyClientsAtOnce) {
    ServerConfig config = udp_config("");
    config.disabled_features = GetParam();
    RunningUdp running(config);
    std::vector<std::thread> clients;
    for (int number = 0; number < 8; ++number) {
        clients.emplace_back([&, number] {
            UdpClient client(running.udp_port, number % 2 == 0 ? "127.0.0.1" : "::1");
            const std::string key = "key" + std::to_string(number);
            for (int round = 0; round < 50; ++round) {
                const std::string value = patterned(static_cast<std::size_t>(1 + round * 97));
                ASSERT_EQ(client.ask(set_command(key, value)), "STORED\r\n");
                ASSERT_EQ(client.ask("get " + key + "\r\n"), value_reply(key, value) + "END\r\n");
            }
        });
    }
    for (std::thread& client : clients) client.join();
}

INSTANTIATE_TEST_SUITE_P(
    Features, UdpFeatureTest,
    ::testing::Values(uring::FeatureSet{},
                      uring::FeatureSet{}.with(uring::Feature::MultishotReceiveMessage),
                      uring::FeatureSet::all()));

}  // namespace
}  // namespace shardmill::net
