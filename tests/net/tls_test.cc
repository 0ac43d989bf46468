#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <expected>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/tls_context.h"
#include "running_server.h"
#include "tls_client.h"
#include "tls_files.h"

namespace shardmill::net {
namespace {

using namespace net::testing;

using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

TlsSettings settings_of(const TlsFiles& files) {
    return {.enabled = true,
            .chain_cert = files.path("server.crt"),
            .key = files.path("server.key"),
            .ca_cert = files.authority()};
}

ServerConfig tls_config(const TlsFiles& files) {
    ServerConfig config = small_config();
    config.listen.front().security = Security::Tls;
    config.tls = settings_of(files);
    return config;
}

/// A server whose first listener is secured.
struct Secured : Running {
    explicit Secured(const ServerConfig& config) : Running(config) {}
    TlsClient secure(const TlsClientOptions& options = {}) { return TlsClient(connect(), options); }
    TlsClient established(const TlsClientOptions& options = {}) {
        TlsClient client(connect(), options);
        EXPECT_TRUE(client.handshake());
        return client;
    }
    std::uint64_t handshake_errors() { return total(&ConnectionCounters::tls_handshake_errors); }
    std::uint64_t proto_errors() { return total(&ConnectionCounters::tls_proto_errors); }
    std::string refresh() {
        std::mutex mutex;
        std::condition_variable answered;
        std::optional<std::string> answer;
        server.refresh_certs([&](std::expected<void, std::string> refreshed) {
            const std::lock_guard lock(mutex);
            answer = refreshed ? "OK" : refreshed.error();
            answered.notify_one();
        });
        std::unique_lock lock(mutex);
        answered.wait_for(lock, std::chrono::seconds(10), [&] { return answer.has_value(); });
        return answer.value_or("<no answer>");
    }
};

class TlsTest : public ::testing::Test {
 protected:
    TlsFiles files;
};

TEST_F(TlsTest, SpeaksToAClientThatChecksTheServer) {
    Secured running(tls_config(files));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        TlsClient client =
            running.established({.authority = files.authority(), .version = version});
        EXPECT_EQ(client.server_name(), "server");
        EXPECT_EQ(client.ask("set a 0 0 5\r\nhello\r\n"), "STORED\r\n");
        EXPECT_EQ(client.ask("get a\r\n", "END\r\n"), "VALUE a 0 5\r\nhello\r\nEND\r\n");
        EXPECT_TRUE(client.send("quit\r\n"));
        EXPECT_EQ(client.receive_all(), "");
    }
    EXPECT_EQ(running.handshake_errors(), 0u);
    EXPECT_EQ(running.proto_errors(), 0u);
}

TEST_F(TlsTest, CountsPlaintextAsReadAndWritten) {
    Secured running(tls_config(files));
    TlsClient client = running.established();
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::bytes_read) == 4; }));
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::bytes_written) == 4; }));
}

TEST_F(TlsTest, UnderstandsAStreamThatIsCutAnywhere) {
    Secured running(tls_config(files));
    running.store.put("k", "value");
    const std::string requests = "get k\r\nset a 0 0 3\r\nabc\r\nget k a\r\nmn\r\n";
    const std::string expected = value_reply("k", "value") + "END\r\nSTORED\r\n" +
                                 value_reply("k", "value") + value_reply("a", "abc") +
                                 "END\r\nMN\r\n";
    TlsClient bytewise = running.established({.bytes_per_send = 1});
    EXPECT_TRUE(bytewise.send(requests));
    EXPECT_EQ(bytewise.receive_until("MN\r\n"), expected);

    TlsClient client = running.established();
    const std::size_t record = client.encrypted(requests).size();
    // That record never leaves, so that what follows it would not be understood: a new connection.
    for (std::size_t cut = 1; cut < record; ++cut) {
        TlsClient other = running.established({.version = TLS1_2_VERSION});
        const std::string text = other.encrypted(requests);
        EXPECT_TRUE(other.connection().send(std::string_view(text).substr(0, cut)));
        EXPECT_TRUE(other.connection().send(std::string_view(text).substr(cut)));
        ASSERT_EQ(other.receive_until("MN\r\n"), expected) << "cut at " << cut;
    }
}

TEST_F(TlsTest, UnderstandsCommandsThatAreCutByRecords) {
    Secured running(tls_config(files));
    const std::string requests = "set a 0 0 3\r\nabc\r\nget a\r\nmn\r\n";
    TlsClient client = running.established();
    // All records in one go, each with one byte of what is said.
    std::string records;
    for (const char letter : requests) records += client.encrypted({&letter, 1});
    EXPECT_TRUE(client.connection().send(records));
    EXPECT_EQ(client.receive_until("MN\r\n"),
              "STORED\r\n" + value_reply("a", "abc") + "END\r\nMN\r\n");
}

TEST_F(TlsTest, StoresAndSendsLargeValues) {
    Secured running(tls_config(files));
    TlsClient client = running.established();
    for (const std::size_t bytes : {16u << 10, 32u << 10, 100'000u, 1u << 20}) {
        const std::string value = patterned(bytes, static_cast<unsigned>(bytes));
        EXPECT_EQ(client.ask(set_command("large", value)), "STORED\r\n");
        EXPECT_TRUE(running.store.get("large") == value);
        EXPECT_TRUE(client.send("get large\r\nget large\r\n"));
        const std::string one = value_reply("large", value) + "END\r\n";
        EXPECT_TRUE(client.receive(2 * one.size()) == one + one) << bytes;
    }
}

TEST_F(TlsTest, AnswersPipelinesInOrder) {
    Secured running(tls_config(files));
    running.store.put("small", "x");
    running.store.put("middle", patterned(5000));
    std::string requests;
    std::string expected;
    for (int i = 0; i < 5000; ++i) {
        const bool middle = i % 7 == 0;
        requests += middle ? "get middle\r\n" : "get small\r\n";
        expected += (middle ? value_reply("middle", patterned(5000)) : value_reply("small", "x")) +
                    "END\r\n";
    }
    TlsClient client = running.established();
    const std::string records = client.encrypted(requests);
    std::thread sender([&] { EXPECT_TRUE(client.connection().send(records)); });
    EXPECT_TRUE(client.receive(expected.size()) == expected);
    sender.join();
}

TEST_F(TlsTest, BoundsWhatItKeepsForASlowReader) {
    ServerConfig config = tls_config(files);
    config.output_bytes_max = 256 << 10;
    config.backlog_bytes_max = 16 << 10;
    Secured running(config);
    const std::string value = patterned(200'000);
    running.store.put("large", value);
    TlsClient client = running.established();
    std::string requests;
    for (int i = 0; i < 200; ++i) requests += "get large\r\n";
    EXPECT_TRUE(client.send(requests));
    EXPECT_TRUE(eventually([&] { return running.store.operations > 2; }));
    TlsClient other = running.established();
    EXPECT_EQ(other.ask("mn\r\n"), "MN\r\n");
    EXPECT_LT(running.store.operations, 150u);
    EXPECT_LT(running.total(&ConnectionCounters::buffer_bytes), 4u << 20);
    std::string expected;
    for (int i = 0; i < 200; ++i) expected += value_reply("large", value) + "END\r\n";
    EXPECT_TRUE(client.receive(expected.size()) == expected);
}

TEST_F(TlsTest, AnswersAClientThatSaysGoodbyeBeforeClosing) {
    Secured running(tls_config(files));
    TlsClient client = running.established();
    EXPECT_TRUE(client.send("mn\r\nmn\r\n"));
    client.close();
    EXPECT_EQ(client.receive_all(), "MN\r\nMN\r\n");
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.store.reasons().back(), CloseReason::Normal);
}

TEST_F(TlsTest, SaysGoodbyeWhenItStops) {
    Secured running(tls_config(files));
    TlsClient idle = running.established();
    EXPECT_EQ(idle.ask("mn\r\n"), "MN\r\n");
    TlsClient starting = running.secure();
    EXPECT_TRUE(starting.connection().send(starting.client_hello().substr(0, 20)));
    running.server.stop();
    EXPECT_EQ(idle.receive_all(), "");
}

TEST_F(TlsTest, ReleasesEverythingOfAPeerThatVanishes) {
    Secured running(tls_config(files));
    running.store.put("large", patterned(1 << 20));
    TlsClient reader = running.established();
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(reader.send("get large\r\n"));
    TlsClient writer = running.established();
    EXPECT_TRUE(writer.send("set a 0 0 500000\r\n" + patterned(100'000)));
    EXPECT_TRUE(eventually([&] { return running.store.uploads == 1; }));
    reader.connection().vanish();
    writer.connection().vanish();
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.store.abandoned, 1);
}

TEST_F(TlsTest, RefusesWhatIsNoHandshake) {
    Secured running(tls_config(files));
    TestClient plain = running.connect();
    EXPECT_TRUE(plain.send("version\r\n"));
    EXPECT_EQ(plain.receive_all().find("VERSION"), std::string::npos);
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.handshake_errors(), 1u);
    EXPECT_EQ(running.store.operations, 0u);
    EXPECT_EQ(running.store.tls_failures(), 1u);
    EXPECT_EQ(running.store.reasons().back(), CloseReason::Error);
}

TEST_F(TlsTest, ClosesAPlainConnectionThatSpeaksTls) {
    ServerConfig config = tls_config(files);
    config.listen.front().security = Security::None;
    Secured running(config);
    TlsClient client = running.secure();
    EXPECT_TRUE(client.connection().send(client.client_hello() + "\n"));
    client.connection().half_close();
    EXPECT_FALSE(client.handshake());
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.handshake_errors(), 0u);
}

TEST_F(TlsTest, CountsHandshakesThatAreGivenUp) {
    Secured running(tls_config(files));
    for (const bool reset : {false, true}) {
        const std::uint64_t before = running.handshake_errors();
        TlsClient client = running.secure();
        const std::string hello = client.client_hello();
        EXPECT_TRUE(client.connection().send(hello.substr(0, hello.size() / 2)));
        EXPECT_TRUE(eventually([&] { return running.open_connections() == 1; }));
        reset ? client.connection().vanish() : client.connection().close();
        EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
        EXPECT_EQ(running.handshake_errors(), before + 1);
    }
    // Whoever only looks whether the port is open has not begun one.
    const std::uint64_t before = running.handshake_errors();
    const std::uint64_t seen = running.total(&ConnectionCounters::total);
    running.connect().close();
    EXPECT_TRUE(eventually([&] { return running.total(&ConnectionCounters::total) == seen + 1; }));
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.handshake_errors(), before);
}

TEST_F(TlsTest, RefusesAHandshakeThatWouldTakeTooMuchMemory) {
    Secured running(tls_config(files));
    TestClient client = running.connect();
    // A record of 16 KiB that begins a first message of 16 MiB, over and over.
    const std::string record = std::string("\x16\x03\x01\x40\x00", 5) +
                               std::string("\x01\xff\xff\xff", 4) +
                               std::string((16u << 10) - 4, 'x');
    client.send(record.substr(0, 100));
    client.send(record.substr(100));
    client.receive_all();
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.handshake_errors(), 1u);
}

TEST_F(TlsTest, ClosesWhenARecordIsBroken) {
    Secured running(tls_config(files));
    TlsClient client = running.established();
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    std::string record = client.encrypted("mn\r\n");
    record.back() = static_cast<char>(record.back() ^ 1);
    EXPECT_TRUE(client.connection().send(record));
    EXPECT_TRUE(eventually([&] { return running.open_connections() == 0; }));
    EXPECT_EQ(running.proto_errors(), 1u);
    EXPECT_EQ(running.handshake_errors(), 0u);
}

TEST_F(TlsTest, RefusesToRenegotiate) {
    Secured running(tls_config(files));
    TlsClient client = running.established({.version = TLS1_2_VERSION});
    EXPECT_EQ(client.ask("mn\r\n"), "MN\r\n");
    EXPECT_EQ(SSL_renegotiate(client.native()), 1);
    EXPECT_FALSE(client.handshake());
}

TEST_F(TlsTest, AsksForVersionsAndCiphersAsConfigured) {
    ServerConfig config = tls_config(files);
    config.tls.min_version = 3;
    {
        Secured running(config);
        EXPECT_FALSE(running.secure({.version = TLS1_2_VERSION}).handshake());
        EXPECT_TRUE(running.secure({.version = TLS1_3_VERSION}).handshake());
        EXPECT_TRUE(eventually([&] { return running.handshake_errors() == 1; }));
    }
    config.tls.min_version = 2;
    config.tls.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    Secured running(config);
    EXPECT_FALSE(
        running.secure({.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"})
            .handshake());
    EXPECT_TRUE(
        running.secure({.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"})
            .handshake());
}

TEST_F(TlsTest, ResumesSessions) {
    for (const bool cache : {false, true}) {
        ServerConfig config = tls_config(files);
        config.tls.session_cache = cache;
        Secured running(config);
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            for (const bool tickets : {true, false}) {
                if (!tickets && version == TLS1_3_VERSION) continue;
                TlsClientOptions options{.version = version, .tickets = tickets};
                TlsClient first = running.established(options);
                EXPECT_EQ(first.ask("mn\r\n"), "MN\r\n");
                const Session session(first.session(), &SSL_SESSION_free);
                first.close();
                options.session = session.get();
                TlsClient second = running.established(options);
                EXPECT_EQ(second.ask("mn\r\n"), "MN\r\n");
                // Without tickets somebody else has to remember.
                EXPECT_EQ(second.resumed(), tickets || cache) << version << " " << cache;
            }
        }
        EXPECT_EQ(running.total(&ConnectionCounters::tls_new_sessions) != 0, cache);
    }
}

TEST_F(TlsTest, LetsOnlyClientsInThatShowACertificate) {
    ServerConfig config = tls_config(files);
    config.listen.front().security = Security::TlsMutual;
    Secured running(config);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const std::uint64_t before = running.handshake_errors();
        TlsClient good = running.established({.certificate = files.path("client.crt"),
                                              .key = files.path("client.key"),
                                              .version = version});
        EXPECT_EQ(good.ask("mn\r\n"), "MN\r\n");
        for (const std::string name : {"", "stranger"}) {
            TlsClient client =
                running.secure({.certificate = name.empty() ? "" : files.path(name + ".crt"),
                                .key = name.empty() ? "" : files.path(name + ".key"),
                                .version = version});
            // With TLS 1.3 the client is through before the server has looked.
            const bool served = client.handshake() && client.ask("mn\r\n") == "MN\r\n";
            EXPECT_FALSE(served);
        }
        EXPECT_TRUE(eventually([&] { return running.handshake_errors() == before + 2; }));
    }
    EXPECT_EQ(running.store.operations, 2u);
}

TEST_F(TlsTest, AsksForCertificatesAsTheModeSays) {
    struct Case {
        int mode;
        Security security;
        bool without;   // a client without a certificate gets in
        bool stranger;  // one with a certificate that nobody vouches for
    };
    const Case cases[] = {
        {0, Security::Tls, true, true},       {1, Security::Tls, true, false},
        {2, Security::Tls, false, false},     {3, Security::Tls, false, false},
        {2, Security::TlsNoPeer, true, true}, {0, Security::TlsMutual, false, false},
    };
    for (const Case& wanted : cases) {
        ServerConfig config = tls_config(files);
        config.tls.verify_mode = wanted.mode;
        config.listen.front().security = wanted.security;
        Secured running(config);
        const auto gets_in = [&](const std::string& name) {
            TlsClient client =
                running.secure({.certificate = name.empty() ? "" : files.path(name + ".crt"),
                                .key = name.empty() ? "" : files.path(name + ".key")});
            return client.handshake() && client.ask("mn\r\n") == "MN\r\n";
        };
        EXPECT_TRUE(gets_in("client")) << wanted.mode;
        EXPECT_EQ(gets_in(""), wanted.without) << wanted.mode;
        EXPECT_EQ(gets_in("stranger"), wanted.stranger) << wanted.mode;
    }
}

/// A ticket of a listener that asks for no certificate must not open one that does.
TEST_F(TlsTest, ASessionIsResumedOnlyUnderTheRulesItBeganWith) {
    ServerConfig config = tls_config(files);
    config.tls.session_cache = true;
    config.listen = {
        {.host = "127.0.0.1", .port = -1, .security = Security::TlsNoPeer},
        {.host = "127.0.0.1", .port = -1, .security = Security::TlsMutual},
    };
    Secured running(config);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        TlsClient open = running.established({.version = version});
        EXPECT_EQ(open.ask("mn\r\n"), "MN\r\n");
        const Session session(open.session(), &SSL_SESSION_free);
        open.close();
        TlsClient sneaking(TestClient::tcp(running.server.bound()[1].port),
                           {.session = session.get(), .version = version});
        const bool through = sneaking.handshake();
        EXPECT_FALSE(through && sneaking.ask("mn\r\n") == "MN\r\n");
    }
}

TEST_F(TlsTest, NewConnectionsGetWhatWasReloaded) {
    Secured running(tls_config(files));
    TlsClient before = running.established();
    EXPECT_EQ(before.server_name(), "server");
    files.issue("server", "renewed");
    EXPECT_EQ(running.refresh(), "OK");
    for (int i = 0; i < 4; ++i) EXPECT_EQ(running.established().server_name(), "renewed");
    EXPECT_EQ(before.ask("mn\r\n"), "MN\r\n");
}

TEST_F(TlsTest, FilesThatAreNoGoodChangeNothing) {
    Secured running(tls_config(files));
    std::filesystem::remove(files.path("server.key"));
    EXPECT_NE(running.refresh().find(files.path("server.key")), std::string::npos);
    std::filesystem::copy(files.path("client.key"), files.path("server.key"));
    EXPECT_NE(running.refresh().find("Error"), std::string::npos);
    EXPECT_EQ(running.established().server_name(), "server");
    ServerConfig plain = small_config();
    Secured without(plain);
    EXPECT_EQ(without.refresh(), "Error TLS not enabled");
}

TEST_F(TlsTest, SaysWhichFileIsWrong) {
    const auto problem = [](const TlsSettings& settings) {
        const auto loaded = TlsContext::load(settings);
        return loaded ? std::string() : loaded.error();
    };
    TlsSettings settings = settings_of(files);
    EXPECT_EQ(problem(settings), "");
    settings.key = files.path("server.der");
    EXPECT_NE(problem(settings).find("server.der"), std::string::npos);
    settings.key_format = SSL_FILETYPE_ASN1;
    EXPECT_EQ(problem(settings), "");
    settings = settings_of(files);
    settings.chain_cert = files.path("none.crt");
    EXPECT_NE(problem(settings).find("none.crt"), std::string::npos);
    settings = settings_of(files);
    settings.key = files.path("client.key");
    EXPECT_NE(problem(settings), "");
    settings = settings_of(files);
    settings.ca_cert = files.path("server.key");
    EXPECT_NE(problem(settings).find("server.key"), std::string::npos);
    settings = settings_of(files);
    settings.ciphers = "nonsense";
    EXPECT_NE(problem(settings).find("nonsense"), std::string::npos);
}

TEST_F(TlsTest, AKeyMayStandInTheFileOfTheCertificate) {
    TlsSettings settings = settings_of(files);
    std::ofstream both(files.path("both.pem"));
    both << std::ifstream(settings.chain_cert).rdbuf() << std::ifstream(settings.key).rdbuf();
    both.close();
    settings.chain_cert = files.path("both.pem");
    settings.key.clear();
    EXPECT_TRUE(TlsContext::load(settings).has_value());
}

TEST_F(TlsTest, ServesManyClientsAtOnce) {
    Secured running(tls_config(files));
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 8; ++number) {
        threads.emplace_back([&, number] {
            for (unsigned round = 0; round < 5; ++round) {
                TlsClient client = running.established();
                const std::string key = "k" + std::to_string(number);
                const std::string value = patterned(round * 9000, number + round);
                EXPECT_EQ(client.ask(set_command(key, value)), "STORED\r\n");
                EXPECT_TRUE(client.send("get " + key + "\r\n"));
                const std::string expected = value_reply(key, value) + "END\r\n";
                EXPECT_TRUE(client.receive(expected.size()) == expected);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(running.handshake_errors(), 0u);
}

}  // namespace
}  // namespace shardmill::net
