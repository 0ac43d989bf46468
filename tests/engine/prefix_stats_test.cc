#include "engine/prefix_stats.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "binary_exchange.h"
#include "command_server.h"

namespace shardmill::engine {
namespace {

using Kind = PrefixStats::Kind;

std::string dump(const PrefixStats& stats) {
    std::string out;
    stats.dump(out);
    return out;
}

TEST(PrefixStatsTest, AddsUpWhatEveryExecutorCounted) {
    PrefixStats stats(':', 3);
    stats.recorder(0).count("user:1", Kind::Get, true);
    stats.recorder(1).count("user:2", Kind::Get, false);
    stats.recorder(1).count("page:x:y", Kind::Set, false);
    stats.recorder(2).count("user:3", Kind::Delete, false);
    stats.recorder(2).count("nothing", Kind::Get, true);
    stats.recorder(2).count(":empty", Kind::Set, false);
    EXPECT_EQ(dump(stats),
              "PREFIX  get 0 hit 0 set 1 del 0\r\n"
              "PREFIX page get 0 hit 0 set 1 del 0\r\n"
              "PREFIX user get 2 hit 1 set 0 del 1\r\nEND\r\n");
}

TEST(PrefixStatsTest, ForgetsEverythingWhenCleared) {
    PrefixStats stats('.', 2);
    stats.recorder(0).count("a.1", Kind::Get, true);
    stats.recorder(1).count("b.1", Kind::Get, true);
    stats.clear();
    EXPECT_EQ(dump(stats), "END\r\n");
    stats.recorder(1).count("b.1", Kind::Set, false);
    EXPECT_EQ(dump(stats), "PREFIX b get 0 hit 0 set 1 del 0\r\nEND\r\n");
}

TEST(PrefixStatsTest, PrefixesThatBeginAlikeAreKeptApart) {
    PrefixStats stats(':', 1);
    for (const char* key : {"a:1", "ab:1", "abc:1", "ab:2"})
        stats.recorder(0).count(key, Kind::Set, false);
    EXPECT_EQ(dump(stats),
              "PREFIX a get 0 hit 0 set 1 del 0\r\n"
              "PREFIX ab get 0 hit 0 set 2 del 0\r\n"
              "PREFIX abc get 0 hit 0 set 1 del 0\r\nEND\r\n");
}

TEST(PrefixStatsTest, PrefixesBeyondTheLimitAreNotCounted) {
    PrefixStats stats(':', 2);
    for (std::uint32_t i = 0; i < PrefixStats::kPrefixesMax + 10; ++i)
        stats.recorder(0).count(std::to_string(i) + ":k", Kind::Set, false);
    stats.recorder(0).count("0:k", Kind::Set, false);
    stats.recorder(1).count("0:k", Kind::Set, false);
    stats.recorder(1).count("another:k", Kind::Set, false);
    const std::string report = dump(stats);
    EXPECT_EQ(std::count(report.begin(), report.end(), '\n'), PrefixStats::kPrefixesMax + 1);
    EXPECT_NE(report.find("PREFIX 0 get 0 hit 0 set 3 del 0\r\n"), std::string::npos);
    EXPECT_EQ(report.find("another"), std::string::npos);
}

TEST(PrefixStatsTest, PrefixesThatWouldBreakTheReportAreNotCounted) {
    PrefixStats stats(':', 1);
    stats.recorder(0).count(std::string_view("a\r\nEND\r\n:1", 10), Kind::Set, false);
    stats.recorder(0).count(std::string_view("a\0b:1", 5), Kind::Set, false);
    EXPECT_EQ(dump(stats), "END\r\n");
}

TEST(PrefixStatsTest, CanBeReadAndClearedWhileExecutorsCount) {
    constexpr int kRounds = 20000;
    PrefixStats stats(':', 2);
    std::atomic<int> running{2};
    std::vector<std::thread> executors;
    for (std::uint32_t i = 0; i < 2; ++i) {
        executors.emplace_back([&stats, &running, i] {
            for (int round = 0; round < kRounds; ++round)
                stats.recorder(i).count(std::to_string(round % 500) + ":k", Kind::Set, false);
            --running;
        });
    }
    for (int round = 0; running != 0; ++round) {
        EXPECT_TRUE(dump(stats).ends_with("END\r\n"));
        if (round % 4 == 3) stats.clear();
    }
    for (std::thread& executor : executors) executor.join();
    stats.clear();
    stats.recorder(0).count("last:k", Kind::Set, false);
    EXPECT_EQ(dump(stats), "PREFIX last get 0 hit 0 set 1 del 0\r\nEND\r\n");
}

// ---- the command ----

TEST(StatsDetailTest, CountsTheCommandsOfTheClassicProtocol) {
    CommandServer server;
    server.expect({
        {"set a:1 0 0 1\r\nx\r\n", "STORED\r\n"},  // not on yet
        {"stats detail dump\r\n", "END\r\n"},
        {"stats detail on\r\n", "OK\r\n"},
    });
    server.ask("set a:2 0 0 1\r\nx\r\nadd a:2 0 0 1\r\nx\r\nappend b:1 0 0 1\r\nx\r\n");
    server.ask("get a:1 a:2 a:3 plain\r\ngets a:1\r\ngat 0 a:1\r\ndelete a:3\r\ndelete b:1\r\n");
    server.ask("incr a:1 1\r\ntouch a:1 0\r\n");
    server.ask("mg a:1 v\r\nms a:9 1\r\nx\r\nmd a:9\r\n");
    const std::string report =
        "PREFIX a get 5 hit 4 set 2 del 1\r\nPREFIX b get 0 hit 0 set 1 del 1\r\nEND\r\n";
    server.expect({
        {"stats detail dump\r\n", report},
        {"stats detail off\r\n", "OK\r\n"},
        {"get a:1\r\n", "VALUE a:1 0 1\r\nx\r\nEND\r\n"},
        {"stats detail dump\r\n", report},
        {"stats reset\r\n", "RESET\r\n"},
        {"stats detail dump\r\n", "END\r\n"},
    });
}

TEST(StatsDetailTest, CountsSetsThatFailToo) {
    CommandServer::Options options{.item_bytes_max = 2048};
    options.config.prefix_stats = true;
    CommandServer server(options);
    server.ask("set a:1 0 0 4000\r\n" + std::string(4000, 'x') + "\r\nset a:1 0 0 1\r\nxxx\r\n");
    server.expect({{"stats detail dump\r\n", "PREFIX a get 0 hit 0 set 2 del 0\r\nEND\r\n"}});
}

TEST(StatsDetailTest, CountsPacketsAndIsOneValueInThem) {
    CommandServer::Options options;
    options.config.prefix_stats = true;
    const auto dumped = [](std::string report) {
        return Packet{.opcode = 0x10, .key = "detailed", .value = std::move(report), .magic = 0x81};
    };
    expect(options, {
                        {keyed(0x10, "detail dump"), {dumped("END\r\n"), success(0x10)}},
                        {store(0x01, "a:1", "x"), {success(0x01)}},
                        {store(0x02, "a:1", "x"), {exists(0x02)}},
                        {keyed(0x00, "a:1"), {hit(0x00, 0, "x")}},
                        {keyed(0x00, "a:2"), {not_found(0x00)}},
                        {touch(0x1c, "a:1", 0), {hit(0x1c, 0, "")}},
                        {keyed(0x04, "a:2"), {not_found(0x04)}},
                        {keyed(0x10, "detail dump"),
                         {dumped("PREFIX a get 3 hit 2 set 2 del 1\r\nEND\r\n"), success(0x10)}},
                        {keyed(0x10, "detail off"), {success(0x10)}},
                    });
}

TEST(StatsDetailTest, IsAbbreviatedAndRefusedAsInMemcached) {
    CommandServer server;
    const std::string usage = "CLIENT_ERROR usage: stats detail on|off|dump\r\n";
    server.expect({
        {"stats detail\r\n", usage},
        {"stats detail maybe\r\n", usage},
        {"stats detail dumps\r\n", usage},
        {"stats d\r\n", usage},
        {"stats d on\r\n", "OK\r\n"},
        {"stats de d\r\n", "END\r\n"},
        {"stats detail of\r\n", "OK\r\n"},
    });
    CommandServer::Options options;
    options.config.dump_enabled = false;
    CommandServer forbidden(options);
    forbidden.expect({
        {"stats detail on\r\n", "CLIENT_ERROR stats detail not allowed\r\n"},
        {"stats detail\r\n", "CLIENT_ERROR stats detail not allowed\r\n"},
        {"stats cachedump 1 1\r\n", "CLIENT_ERROR stats cachedump not allowed\r\n"},
    });
}

TEST(StatsDetailTest, TheDelimiterIsConfigured) {
    CommandServer::Options options;
    options.config.prefix_stats = true;
    options.config.prefix_delimiter = '/';
    CommandServer server(options);
    server.ask("get a:b/c\r\n");
    server.expect({{"stats detail dump\r\n", "PREFIX a:b get 1 hit 0 set 0 del 0\r\nEND\r\n"}});
}

}  // namespace
}  // namespace shardmill::engine
