#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "base/byte_order.h"
#include "protocol/binary_parser.h"
#include "protocol/login_parser.h"
#include "running_server.h"

namespace shardmill::net {
namespace {

using namespace net::testing;

ServerConfig with_login() {
    ServerConfig config = small_config();
    config.authentication = Authentication::Text;
    return config;
}

std::string login(const std::string& token) { return set_command("any", token); }

constexpr std::string_view kUnauthenticated = protocol::login_replies::kUnauthenticated;
constexpr std::string_view kFailure = protocol::login_replies::kFailure;

TEST(LoginTest, NothingIsExecutedBeforeTheLogin) {
    Running running(with_login());
    TestClient client = running.connect();
    for (const char* line :
         {"get a\r\n", "version\r\n", "batch now\r\n", "batch later\r\n", "snapshot save\r\n",
          "stats\r\n", "delete a\r\n", "GET / HTTP/1.0\r\n"}) {
        EXPECT_EQ(client.ask(line), kUnauthenticated) << line;
    }
    EXPECT_EQ(running.store.operations, 0u);
}

TEST(LoginTest, AWrongPasswordMayBeTriedAgain) {
    Running running(with_login());
    TestClient client = running.connect();
    EXPECT_EQ(client.ask(login("bert wrong")), kFailure);
    EXPECT_EQ(client.ask(login("bert")), protocol::login_replies::kBadFormat);
    EXPECT_EQ(client.ask(login("bert bert")), kFailure);
    EXPECT_EQ(client.ask(login("bert xtreb")), kFailure);
    EXPECT_EQ(client.ask("get a\r\n"), kUnauthenticated);
    EXPECT_EQ(client.ask(login("abc cba")), "STORED\r\n");
    EXPECT_FALSE(running.store.get("any").has_value());
    EXPECT_EQ(client.ask(login("abc cba")), "STORED\r\n");
    EXPECT_EQ(running.store.get("any"), "abc cba");
}

/// What is pipelined behind a login is judged by how the login went, wherever the bytes are cut.
TEST(LoginTest, IsJudgedInOrderWhateverTheBytesAreSplitInto) {
    Running running(with_login());
    running.store.put("a", "1");
    const std::string requests = "get a\r\nset x 0 0 1\r\n!\r\n" + login("abc abc") + "get a\r\n" +
                                 login("abc cba") + "get a\r\nset b 0 0 2\r\nxy\r\nmn\r\n";
    const std::string expected = std::string(kUnauthenticated) +
                                 std::string(protocol::login_replies::kBadFormat) +
                                 std::string(kFailure) + std::string(kUnauthenticated) +
                                 "STORED\r\n" + value_reply("a", "1") + "END\r\nSTORED\r\nMN\r\n";
    for (std::size_t cut = 0; cut < requests.size(); ++cut) {
        TestClient client = running.connect();
        const std::uint64_t before = running.total(&ConnectionCounters::bytes_read);
        EXPECT_TRUE(client.send(requests.substr(0, cut)));
        EXPECT_TRUE(eventually(
            [&] { return running.total(&ConnectionCounters::bytes_read) >= before + cut; }));
        EXPECT_TRUE(client.send(requests.substr(cut)));
        ASSERT_EQ(client.receive_until("MN\r\n"), expected) << "cut at " << cut;
    }
}

TEST(LoginTest, EveryByteOnItsOwn) {
    Running running(with_login());
    TestClient client = running.connect();
    for (const char byte : "version\r\n" + login("abc cba") + "version\r\n") {
        EXPECT_TRUE(client.send(std::string(1, byte)));
    }
    EXPECT_EQ(client.receive_until("fake\r\n"),
              std::string(kUnauthenticated) + "STORED\r\nVERSION fake\r\n");
}

TEST(LoginTest, ClosesOnWhatCannotBeALogin) {
    Running running(with_login());
    for (const std::string& bytes :
         {std::string("quit\r\n"), std::string("mn\r\n"), std::string(2049, 'x')}) {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send("get a\r\n" + bytes));
        EXPECT_EQ(client.receive_until("\r\n"), kUnauthenticated);
        EXPECT_EQ(client.receive_all().substr(0, 1).find_first_not_of('<'), std::string::npos);
    }
}

TEST(LoginTest, ALoginThatIsCutOffLeavesNothing) {
    Running running(with_login());
    for (const std::size_t cut : {1u, 10u, 14u, 20u}) {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send(login("abc cba").substr(0, cut)));
        client.vanish();
    }
    EXPECT_TRUE(eventually([&] { return running.store.closed == 4; }));
    EXPECT_EQ(running.store.operations, 0u);
}

TEST(LoginTest, AFloodOfLoginsIsAnsweredOneByOne) {
    Running running(with_login());
    TestClient client = running.connect();
    constexpr int kCount = 20'000;
    std::string requests;
    for (int i = 0; i < kCount; ++i) requests += "refused\r\n";
    std::thread sender([&] { EXPECT_TRUE(client.send(requests + login("abc cba"))); });
    std::string expected;
    for (int i = 0; i < kCount; ++i) expected += kUnauthenticated;
    expected += "STORED\r\n";
    EXPECT_EQ(client.receive(expected.size()) == expected, true);
    sender.join();
}

TEST(LoginTest, WorksOnUnixSockets) {
    ServerConfig config = with_login();
    config.unix_path = ::testing::TempDir() + "/login-" + std::to_string(::getpid());
    Running running(config);
    TestClient client = TestClient::unix_socket(config.unix_path);
    EXPECT_EQ(client.ask("version\r\n"), kUnauthenticated);
    EXPECT_EQ(client.ask(login("abc cba")), "STORED\r\n");
    EXPECT_EQ(client.ask("version\r\n"), "VERSION fake\r\n");
    ::unlink(config.unix_path.c_str());
}

ServerConfig with_sasl() {
    ServerConfig config = small_config();
    config.authentication = Authentication::Sasl;
    return config;
}

std::string packet(std::uint8_t opcode, std::string_view key = {}, std::size_t value_bytes = 0,
                   std::uint8_t extras_bytes = 0) {
    std::string bytes(protocol::kBinaryHeaderBytes + extras_bytes, '\0');
    bytes[0] = static_cast<char>(protocol::kRequestMagic);
    bytes[1] = static_cast<char>(opcode);
    base::store_big(bytes.data() + 2, static_cast<std::uint16_t>(key.size()));
    bytes[4] = static_cast<char>(extras_bytes);
    base::store_big(bytes.data() + 8,
                    static_cast<std::uint32_t>(extras_bytes + key.size() + value_bytes));
    return bytes.append(key);
}

constexpr std::uint8_t kSet = 0x01;
constexpr std::uint8_t kNoop = 0x0a;
constexpr std::string_view kAuthFailure = "Auth failure.";

std::uint16_t status_of(std::string_view packet) {
    return base::load_big<std::uint16_t>(packet.data() + 6);
}

std::string receive_packet(TestClient& client) {
    std::string reply = client.receive(protocol::kBinaryHeaderBytes);
    if (reply.size() != protocol::kBinaryHeaderBytes) return std::string(24, '?');
    return reply + client.receive(base::load_big<std::uint32_t>(reply.data() + 8));
}

void answer(Running& running, bool authenticated) {
    std::optional<ConnectionId> id;
    ASSERT_TRUE(eventually([&] { return (id = running.store.take_deferred()).has_value(); }));
    running.server.replier().reply_login(*id, std::string(24, '='), authenticated);
}

TEST(SaslLoginTest, StrangersAreRefusedAndThatIsTheEnd) {
    Running running(with_sasl());
    for (const std::string& request :
         {packet(kNoop), packet(0x00, "key"), packet(0x09, "key"), packet(0x00), packet(0x77),
          packet(kSet, "key", 1'000'000, 8), packet(kSet, "key", 5, 8) + "value"}) {
        TestClient client = running.connect();
        EXPECT_TRUE(client.send(request + packet(kNoop)));
        const std::string reply = receive_packet(client);
        EXPECT_EQ(status_of(reply), 0x20);
        EXPECT_EQ(reply.substr(24), kAuthFailure);
        EXPECT_TRUE(client.receive_all().find_first_not_of("<reset>") == std::string::npos);
    }
    EXPECT_EQ(running.store.uploads, 0);
    TestClient text = running.connect();
    EXPECT_TRUE(text.send("version\r\n"));
    EXPECT_TRUE(text.receive_all().find_first_not_of("<reset>") == std::string::npos);
}

TEST(SaslLoginTest, WhatFollowsALoginIsJudgedByHowItWent) {
    Running running(with_sasl());
    const std::string sent = packet(0x21, "PLAIN") + packet(kNoop);
    for (std::size_t cut = 0; cut <= sent.size(); ++cut) {
        for (const bool authenticated : {true, false}) {
            TestClient client = running.connect();
            EXPECT_TRUE(client.send(sent.substr(0, cut)));
            EXPECT_TRUE(client.send(sent.substr(cut)));
            answer(running, authenticated);
            EXPECT_EQ(client.receive(24), std::string(24, '='));
            EXPECT_EQ(status_of(receive_packet(client)), authenticated ? 0 : 0x20);
        }
    }
}

TEST(SaslLoginTest, ALoginMayBeLost) {
    Running running(with_sasl());
    TestClient client = running.connect();
    for (const bool authenticated : {true, false}) {
        EXPECT_TRUE(client.send(packet(0x21, "PLAIN")));
        answer(running, authenticated);
        EXPECT_EQ(client.receive(24), std::string(24, '='));
    }
    EXPECT_TRUE(client.send(packet(kNoop)));
    EXPECT_EQ(status_of(receive_packet(client)), 0x20);
}

TEST(SaslLoginTest, AClientThatVanishesInAnExchangeIsForgotten) {
    Running running(with_sasl());
    TestClient client = running.connect();
    EXPECT_TRUE(client.send(packet(0x21, "PLAIN")));
    std::optional<ConnectionId> id;
    ASSERT_TRUE(eventually([&] { return (id = running.store.take_deferred()).has_value(); }));
    client.vanish();
    EXPECT_TRUE(eventually([&] { return running.store.closed == 1; }));
    running.server.replier().reply_login(*id, std::string(24, '='), true);
    // Whoever gets the place is as strange as anybody.
    TestClient next = running.connect();
    EXPECT_TRUE(next.send(packet(kNoop)));
    EXPECT_EQ(status_of(receive_packet(next)), 0x20);
}

}  // namespace
}  // namespace shardmill::net
