// watch: the lines of every stream to the byte, and what becomes of slow watchers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "command_server.h"
#include "control_fakes.h"
#include "engine/event_log.h"
#include "engine/watchers.h"

namespace shardmill::engine {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kUs = 1'800'000'123'000'045;
std::uint64_t fixed_us() noexcept { return kUs; }

std::string line(int gid, const std::string& text) {
    return "ts=1800000123.45 gid=" + std::to_string(gid) + " type=" + text + "\n";
}

/// Two reactors' logs, the requests of one of them, and whoever watches.
class WatchTest : public ::testing::Test {
 protected:
    explicit WatchTest(std::uint64_t memory_limit = 64u << 20) : memory_limit_(memory_limit) {
        shared_.replier = &replier_;
        shared_.counters = &counters_;
        shared_.clock_us = fixed_us;
        watchers_.connect({&reactors_[0], &reactors_[1]}, {&logs_[0], &logs_[1]});
    }

    CommandServer::Options options() {
        CommandServer::Options options;
        options.memory_limit = memory_limit_;
        options.shards = 1;
        options.log = &logs_[0];
        options.watchers = &watchers_;
        return options;
    }

    void run_reactors() {
        while (reactors_[0].run_one() || reactors_[1].run_one()) {
        }
    }
    /// Slot `watcher` watches, without asking in words.
    void watch(std::uint32_t watcher, std::string_view words) {
        const auto streams = parse_streams(words);
        ASSERT_TRUE(streams);
        ASSERT_TRUE(watchers_.add({0, watcher, watcher}, *streams));
        run_reactors();
        EXPECT_EQ(read(watcher), "OK\r\n");
    }
    /// Everything pushed to a watcher so far; taken by its client.
    std::string read(std::uint32_t watcher) {
        std::string text;
        std::deque<FakeReplier::Push> others;
        for (FakeReplier::Push& push : replier_.pushes) {
            if (push.connection.slot == watcher) {
                text += push.bytes;
                push.delivered(true);
            } else {
                others.push_back(std::move(push));
            }
        }
        replier_.pushes = std::move(others);
        return text;
    }
    /// The lines that a request causes, numbered from 1 again.
    void expect_lines(CommandServer& server, const std::string& request,
                      const std::vector<std::string>& lines) {
        shared_.gid = 0;
        server.ask(request);
        std::string expected;
        for (std::size_t n = 0; n < lines.size(); ++n) {
            expected += line(static_cast<int>(n) + 1, lines[n]);
        }
        EXPECT_EQ(read(1), expected) << "after " << printable(request);
    }
    void close(std::uint32_t watcher) {
        const net::PeerAddress nowhere;
        const net::ConnectionFacts facts{{0, watcher, watcher}, 5, nowhere};
        watchers_.connection_closed(facts.id, logs_[0]);
        run_reactors();
    }

    const std::uint64_t memory_limit_;
    FakeReplier replier_;
    ServerCounters counters_;
    EventLogShared shared_;
    EventLog logs_[2]{EventLog(shared_), EventLog(shared_)};
    ManualQueue reactors_[2];
    Watchers watchers_{shared_};
};

TEST(WatchWordsTest, NamesStreams) {
    const auto bits = [](auto... streams) {
        return std::optional((static_cast<std::uint32_t>(streams) | ...));
    };
    EXPECT_EQ(parse_streams(""), bits(Stream::Fetchers));
    EXPECT_EQ(parse_streams("mutations"), bits(Stream::Mutations));
    EXPECT_EQ(parse_streams("e  f  d"),
              bits(Stream::Evictions, Stream::Fetchers, Stream::Deletions));
    EXPECT_EQ(parse_streams("sysevents connevents"), bits(Stream::System, Stream::Connections));
    EXPECT_EQ(parse_streams("rawcmds proxyreqs proxyevents proxyuser"), bits(Stream::Silent));
    EXPECT_EQ(parse_streams("fetchers nonsense"), std::nullopt);
    EXPECT_EQ(parse_streams("fetchersx"), std::nullopt);
    EXPECT_EQ(parse_streams("Fetchers"), std::nullopt);
}

TEST_F(WatchTest, FetchersSeeEveryLookUp) {
    CommandServer server(options());
    watch(1, "fetchers");
    const std::string missing = "item_get key=a status=not_found clsid=0 cfd=11 size=0";
    const std::string found = "item_get key=a status=found clsid=1 cfd=11 size=3";
    expect_lines(server, "get a\r\n", {missing});
    expect_lines(server, "set a 0 0 3\r\nabc\r\n", {missing});
    expect_lines(server, "set a 0 0 3\r\nabc\r\n", {found});
    expect_lines(server, "get a\r\n", {found});
    expect_lines(server, "gets a b\r\n",
                 {found, "item_get key=b status=not_found clsid=0 cfd=11 size=0"});
    expect_lines(server, "touch a 0\r\n", {found});
    expect_lines(server, "gat 0 a\r\n", {found});
    expect_lines(server, "incr a 1\r\n", {found});
    expect_lines(server, "mg a v\r\n", {found});
    expect_lines(server, "me a\r\n", {found});
    expect_lines(server, "md a I\r\n", {found});
    expect_lines(server, "delete a\r\n", {found});
    expect_lines(server, "delete a\r\n", {missing});
    expect_lines(server, "ma a\r\n", {missing});
    expect_lines(server, "mg a N30 v\r\n", {missing});
    expect_lines(server, "set a%/ 0 0 1 noreply\r\nx\r\n",
                 {"item_get key=a%25%2F status=not_found clsid=0 cfd=11 size=0"});
    expect_lines(server, "version\r\nmn\r\n", {});
}

TEST_F(WatchTest, FetchersSeeWhyThereWasNothing) {
    CommandServer server(options());
    watch(1, "fetchers");
    server.ask("set a 0 1 3\r\nabc\r\n");
    server.ask("set b 0 0 3\r\nabc\r\n");
    server.pass_time(2);
    read(1);
    expect_lines(server, "get a\r\n", {"item_get key=a status=expired clsid=0 cfd=11 size=0"});
    server.shards().lock(0)->flush_all(server.now(), server.now());
    expect_lines(server, "get b\r\n", {"item_get key=b status=flushed clsid=0 cfd=11 size=0"});
}

TEST_F(WatchTest, MutationsSeeWhatBecameOfStores) {
    CommandServer server(options());
    watch(1, "mutations");
    const auto stored = [](const std::string& key, const std::string& status,
                           const std::string& command, int ttl, int size) {
        return "item_store key=" + key + " status=" + status + " cmd=" + command +
               " ttl=" + std::to_string(ttl) + " clsid=1 cfd=11 size=" + std::to_string(size);
    };
    expect_lines(server, "set a 5 100 4\r\nabcd\r\n", {stored("a", "stored", "set", 100, 4)});
    expect_lines(server, "add a 0 0 1\r\nx\r\n", {stored("a", "not_stored", "add", 0, 1)});
    expect_lines(server, "add b 0 0 1\r\nx\r\n", {stored("b", "stored", "add", 0, 1)});
    expect_lines(server, "replace z 0 0 2\r\nzz\r\n", {stored("z", "not_stored", "replace", 0, 2)});
    expect_lines(server, "replace b 0 0 2\r\nzz\r\n", {stored("b", "stored", "replace", 0, 2)});
    expect_lines(server, "append b 0 0 2\r\nyy\r\n", {stored("b", "stored", "append", 0, 4)});
    expect_lines(server, "append z 0 0 2\r\nyy\r\n", {stored("z", "not_stored", "append", 0, 2)});
    expect_lines(server, "prepend b 0 0 2\r\nyy\r\n", {stored("b", "stored", "prepend", 0, 6)});
    expect_lines(server, "cas b 0 0 2 1\r\nqq\r\n", {stored("b", "exists", "cas", 0, 2)});
    expect_lines(server, "cas z 0 0 2 1\r\nqq\r\n", {stored("z", "not_found", "cas", 0, 2)});
    expect_lines(server, "ms m 2 T60\r\nhi\r\n", {stored("m", "stored", "set", 60, 2)});
    expect_lines(server, "ms m 2 ME\r\nhi\r\n", {stored("m", "not_stored", "add", 0, 2)});
    expect_lines(server, "ms m 2 MA\r\nhi\r\n", {stored("m", "stored", "append", 60, 4)});
    expect_lines(server, "ms mm 2 MA N30\r\nhi\r\n", {stored("mm", "stored", "append", 30, 2)});
    expect_lines(server, "ms m 2 C1\r\nhi\r\n", {stored("m", "exists", "cas", 0, 2)});
    expect_lines(server, "ms m 2 C1 MA\r\nhi\r\n", {stored("m", "exists", "append", 0, 2)});
    expect_lines(server, "ma n N30\r\n", {stored("n", "stored", "add", 30, 1)});
    expect_lines(server, "md m x\r\n", {stored("m", "stored", "set", 0, 0)});
    expect_lines(server, "set b 0 0 1\r\nxyz\r\n", {});
    expect_lines(server, "incr n 1\r\nget b\r\ndelete b\r\ntouch n 0\r\n", {});
    const std::string large(2u << 20, 'x');
    expect_lines(server, "set n 0 0 " + std::to_string(large.size()) + "\r\n" + large + "\r\n",
                 {"item_store key=n status=too_large cmd=set ttl=0 clsid=0 cfd=11 size=0"});
}

TEST_F(WatchTest, StreamsOfOneWatcherComeInTheOrderOfEvents) {
    CommandServer server(options());
    watch(1, "deletions mutations fetchers");
    expect_lines(server, "set m 0 0 2\r\nhi\r\n",
                 {"item_get key=m status=not_found clsid=0 cfd=11 size=0",
                  "item_store key=m status=stored cmd=set ttl=0 clsid=1 cfd=11 size=2"});
    expect_lines(server, "md m x\r\n",
                 {"item_get key=m status=found clsid=1 cfd=11 size=2",
                  "item_get key=m status=found clsid=1 cfd=11 size=2",
                  "item_store key=m status=stored cmd=set ttl=0 clsid=1 cfd=11 size=0",
                  "deleted key=m cmd=md clsid=1 size=0"});
    expect_lines(server, "ma n N30\r\n",
                 {"item_get key=n status=not_found clsid=0 cfd=11 size=0",
                  "item_get key=n status=not_found clsid=0 cfd=11 size=0",
                  "item_store key=n status=stored cmd=add ttl=30 clsid=1 cfd=11 size=1"});
    expect_lines(server, "delete n\r\n",
                 {"item_get key=n status=found clsid=1 cfd=11 size=1",
                  "deleted key=n cmd=delete clsid=1 size=1"});
    expect_lines(server, "md m\r\n",
                 {"item_get key=m status=found clsid=1 cfd=11 size=0",
                  "deleted key=m cmd=md clsid=1 size=0"});
    expect_lines(server, "md m\r\n", {"item_get key=m status=not_found clsid=0 cfd=11 size=0"});
}

TEST_F(WatchTest, EveryWatcherGetsItsOwnStreams) {
    CommandServer server(options());
    watch(1, "deletions");
    watch(2, "fetchers");
    watch(3, "rawcmds proxyreqs");
    server.ask("set a 0 0 1\r\nx\r\ndelete a\r\n");
    EXPECT_EQ(read(1), line(3, "deleted key=a cmd=delete clsid=1 size=1"));
    EXPECT_THAT(read(2), HasSubstr("status=found"));
    EXPECT_EQ(read(3), "");
}

class SmallWatchTest : public WatchTest {
 protected:
    SmallWatchTest() : WatchTest(8u << 20) {}
};

TEST_F(SmallWatchTest, EvictionsAreToldByTheShard) {
    CommandServer server(options());
    server.ask("set read 0 0 3\r\nabc\r\n");
    server.ask("get read\r\n");
    server.ask("set dated 0 1000 3\r\nabc\r\n");
    server.pass_time(30);
    watch(1, "evictions");
    const std::string value(1000, 'v');
    for (int n = 0; n < 40'000; ++n) {
        server.ask("set k" + std::to_string(n) + " 0 0 1000\r\n" + value + "\r\n");
    }
    const std::uint64_t evictions = server.stat("evictions");
    EXPECT_GT(evictions, 1000u);
    // The watcher has not read meanwhile: what did not fit was counted.
    const std::string lines = read(1);
    const auto told = static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
    EXPECT_EQ(told + counters_.get(ServerCounter::LogWatcherSkipped), evictions);
    EXPECT_THAT(lines,
                HasSubstr(" type=eviction key=dated fetch=no ttl=970 la=30 clsid=1 size=3\n"));
    EXPECT_THAT(lines, HasSubstr(" type=eviction key=k0 fetch=no ttl=-1 la=0 clsid=1 size=1000\n"));
    close(1);
    server.ask("set last 0 0 3\r\nabc\r\n");
}

TEST_F(WatchTest, ConnectionsComeAndGo) {
    CommandServer server(options());
    watch(1, "connevents");
    net::PeerAddress tcp;
    tcp.kind = net::PeerAddress::Kind::Tcp4;
    tcp.port = 48052;
    tcp.bytes = {127, 0, 0, 1};
    const net::PeerAddress local;
    RequestExecutor& executor = server.executor();
    executor.connection_opened({{0, 8, 8}, 29, tcp});
    executor.connection_closed({{0, 8, 8}, 29, tcp}, net::CloseReason::Normal);
    executor.connection_opened({{0, 8, 9}, 30, local});
    executor.connection_closed({{0, 8, 9}, 30, local}, net::CloseReason::IdleTimeout);
    executor.tls_failed({{0, 8, 10}, 31, tcp}, "no shared cipher");
    executor.connection_closed({{0, 8, 10}, 31, tcp}, net::CloseReason::Error);
    executor.housekeep();
    EXPECT_EQ(
        read(1),
        line(1, "conn_new rip=127.0.0.1 rport=48052 transport=tcp cfd=29") +
            line(2, "conn_close rip=127.0.0.1 rport=48052 transport=tcp reason=normal cfd=29") +
            line(3, "conn_new rip=unix rport=0 transport=local cfd=30") +
            line(4, "conn_close rip=unix rport=0 transport=local reason=idle_timeout cfd=30") +
            line(5, "conntlserr fd=31 msg=no shared cipher") +
            line(6, "conn_close rip=127.0.0.1 rport=48052 transport=tcp reason=error cfd=31"));
}

TEST_F(WatchTest, TheSystemTellsWhatItDoes) {
    watch(1, "sysevents");
    watchers_.note("lru_crawler crawler=1");
    run_reactors();
    EXPECT_EQ(read(1), line(1, "lru_crawler crawler=1"));
}

TEST_F(WatchTest, ASlowWatcherIsToldHowMuchItHasMissed) {
    CommandServer server(options());
    shared_.watcher_bytes_max = 300;
    watch(1, "fetchers");
    watch(2, "fetchers");
    for (int n = 0; n < 10; ++n) {
        server.ask("get abc\r\n");
        EXPECT_EQ(read(2), line(n + 1, "item_get key=abc status=not_found clsid=0 cfd=11 size=0"));
    }
    // Three lines fit; the place of a fourth is kept for word of the others.
    const std::string missed = read(1);
    EXPECT_EQ(std::count(missed.begin(), missed.end(), '\n'), 3);
    server.ask("get abc\r\n");
    EXPECT_EQ(read(1),
              "skipped=7\n" + line(11, "item_get key=abc status=not_found clsid=0 cfd=11 size=0"));
    EXPECT_EQ(counters_.get(ServerCounter::LogWatcherSkipped), 7u);
    EXPECT_EQ(counters_.get(ServerCounter::LogWatcherSent), 15u);
    EXPECT_EQ(counters_.get(ServerCounter::LogWorkerWritten), 11u);
}

TEST_F(WatchTest, ATurnsLinesAreBounded) {
    CommandServer server(options());
    shared_.turn_bytes_max = 250;
    watch(1, "fetchers");
    server.ask("get a b c d e f g h\r\n");
    const std::string lines = read(1);
    const auto told = static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
    EXPECT_LT(told, 8u);
    EXPECT_EQ(counters_.get(ServerCounter::LogWorkerDropped), 8 - told);
    server.ask("get a\r\n");
    EXPECT_NE(read(1), "");
}

TEST_F(WatchTest, NothingIsLoggedBeforeOkOrAfterTheEnd) {
    CommandServer server(options());
    ASSERT_TRUE(watchers_.add({0, 1, 1}, static_cast<std::uint32_t>(Stream::Fetchers)));
    reactors_[0].run_one();
    EXPECT_TRUE(logs_[0].wants(Stream::Fetchers));
    server.ask("get early\r\n");  // the other reactor does not log yet
    EXPECT_EQ(read(1), "");
    run_reactors();
    EXPECT_EQ(read(1), "OK\r\n");
    EXPECT_EQ(counters_.log_watchers, 1u);
    close(1);
    EXPECT_EQ(counters_.log_watchers, 0u);
    EXPECT_FALSE(logs_[0].active() || logs_[1].active());
    server.ask("get late\r\n");
    EXPECT_EQ(read(1), "");
}

TEST_F(WatchTest, AConnectionThatEndsInTheTurnOfItsCommandLeavesNothing) {
    for (std::uint32_t i = 0; i < 2 * Watchers::kMax; ++i) {
        const net::ConnectionId connection{0, i, i};
        ASSERT_TRUE(watchers_.add(connection, *parse_streams("fetchers")));
        watchers_.connection_closed(connection, logs_[0]);
        run_reactors();
    }
    EXPECT_EQ(counters_.log_watchers, 0u);
    EXPECT_FALSE(logs_[0].active());
    EXPECT_FALSE(logs_[1].active());
}

TEST_F(WatchTest, TheCommandHasItsErrors) {
    CommandServer server(options());
    server.expect({{"watch nonsense\r\n", "ERROR\r\n"},
                   {"version\r\nwatch\r\n",
                    "VERSION 1.6.45\r\nERROR cannot pipeline other commands before watch\r\n"}});
    EXPECT_EQ(server.ask("watch fetchers\r\n"), "");
    EXPECT_EQ(server.last_deferred(), 1u);
    EXPECT_EQ(server.last_endless(), 1u);
    for (std::uint32_t n = 2; n <= Watchers::kMax; ++n) ASSERT_TRUE(watchers_.add({0, n, n}, 1));
    run_reactors();
    server.expect({{"watch\r\n", "WATCHER_TOO_MANY log watcher limit reached\r\n"}});
    close(2);
    EXPECT_EQ(server.ask("watch\r\n"), "");
    auto refusing = options();
    refusing.config.watch_enabled = false;
    CommandServer other(refusing);
    other.expect({{"watch\r\n", "CLIENT_ERROR watch commands not allowed\r\n"}});
}

}  // namespace
}  // namespace shardmill::engine
