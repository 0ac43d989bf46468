// stats sizes and stats cachedump: reports over all items.

#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "command_server.h"

namespace shardmill::engine {
namespace {

using Sizes = std::map<std::uint64_t, std::uint64_t>;

/// `stats sizes` as numbers.
Sizes reported_sizes(CommandServer& server) {
    Sizes sizes;
    std::istringstream report(server.ask("stats sizes\r\n"));
    for (std::string word; report >> word && word == "STAT";) {
        std::uint64_t bytes = 0, items = 0;
        report >> bytes >> items;
        sizes[bytes] += items;
    }
    return sizes;
}

/// The same from looking at every item: `me` says how large each one is.
Sizes counted_sizes(CommandServer& server) {
    Sizes sizes;
    std::vector<std::string> keys;
    for (std::uint32_t id = 0; id < server.shards().size(); ++id) {
        // Now 0: expired items are resident as long as nobody has noticed.
        server.shards().lock(id)->walk(0, UINT64_MAX / 2, 0, [&keys](const store::ItemView& item) {
            keys.emplace_back(item.key);
        });
    }
    for (const std::string& key : keys) {
        const std::string line = server.ask("me " + key + "\r\n");
        const auto at = line.find("size=");
        if (at == std::string::npos) continue;  // it has expired, and is gone now
        const std::uint64_t bytes = std::stoull(line.substr(at + 5));
        ++sizes[(bytes + 31) / 32 * 32];
    }
    return sizes;
}

CommandServer::Options tracking(std::uint64_t memory_limit = 64u << 20) {
    CommandServer::Options options{
        .memory_limit = memory_limit, .shards = 2, .upload_from = 20'000};
    options.config.track_sizes = true;
    return options;
}

TEST(StatsSizesTest, IsDisabledUnlessAskedFor) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    server.expect({{"stats sizes\r\n", "STAT sizes_status disabled\r\nEND\r\n"}});
}

TEST(StatsSizesTest, RoundsMemcachedsSizesUpTo32) {
    CommandServer server(tracking());
    server.expect({{"stats sizes\r\n", "END\r\n"}});
    // 48 of header, key and NUL, 8 of CAS, value and CR LF.
    server.ask("set a 0 0 36\r\n" + std::string(36, 'x') + "\r\n");  // 96
    server.expect({{"stats sizes\r\n", "STAT 96 1\r\nEND\r\n"}});
    server.ask("set b 0 0 37\r\n" + std::string(37, 'x') + "\r\n");  // 97
    server.ask("set c 5 0 36\r\n" + std::string(36, 'x') + "\r\n");  // 100, with flags
    server.expect({{"stats sizes\r\n", "STAT 96 1\r\nSTAT 128 2\r\nEND\r\n"}});
    server.ask("append a 0 0 40\r\n" + std::string(40, 'x') + "\r\n");
    server.expect({{"stats sizes\r\n", "STAT 128 2\r\nSTAT 160 1\r\nEND\r\n"}});
    server.ask("delete b\r\nstats reset\r\n");
    server.expect({{"stats sizes\r\n", "STAT 128 1\r\nSTAT 160 1\r\nEND\r\n"}});
    server.ask("flush_all\r\nget a c\r\n");
    server.expect({{"stats sizes\r\n", "END\r\n"}});
}

TEST(StatsSizesTest, AgreesWithARecountAfterRandomOperations) {
    CommandServer server(tracking(16u << 20));
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t limit) {
        return static_cast<std::uint32_t>(random() % limit);
    };
    for (int i = 0; i < 20'000; ++i) {
        const std::string key = "k" + std::to_string(below(5000));
        const auto bytes = below(20) == 0 ? below(60'000) : below(8'000);
        const std::string value = std::to_string(bytes) + "\r\n" + std::string(bytes, '1') + "\r\n";
        const std::string flags = below(3) == 0 ? "7" : "0";
        const std::string exptime = below(4) == 0 ? std::to_string(1 + below(20)) : "0";
        switch (below(10)) {
            case 0:
                server.ask("delete " + key + "\r\n");
                break;
            case 1:
                server.ask("append " + key + " 0 0 3\r\nabc\r\n");
                break;
            case 2:
                server.ask("gets " + key + "\r\ntouch " + key + " " + exptime + "\r\n");
                break;
            case 3:
                server.ask("set n 0 0 1\r\n9\r\nincr n " + std::to_string(below(1000)) + "\r\n");
                break;
            case 4:
                server.ask("md " + key + (below(2) == 0 ? " x\r\n" : " I\r\n"));
                break;
            default:
                server.ask("set " + key + " " + flags + " " + exptime + " " + value);
        }
        if (below(500) == 0) server.pass_time(below(10));
    }
    server.pass_time(30);
    while (server.executor().housekeep()) {
    }
    const Sizes counted = counted_sizes(server);  // drops what had expired unnoticed
    EXPECT_EQ(reported_sizes(server), counted);
    EXPECT_GT(server.stat("evictions"), 0u);
    std::uint64_t items = 0;
    for (const auto& [bytes, count] : counted) items += count;
    EXPECT_EQ(items, server.stat("curr_items"));
}

TEST(StatsCachedumpTest, ShowsItemsWithSizeAndDeadline) {
    CommandServer server;
    server.ask("set a 0 0 5\r\nhello\r\n");
    server.expect({{"stats cachedump 1 10\r\n", "ITEM a [5 b; 0 s]\r\nEND\r\n"}});
    server.ask("set a 0 100 5\r\nhello\r\n");
    const std::string deadline = std::to_string(server.now() + 100);
    server.expect({
        {"stats cachedump 1 0\r\n", "ITEM a [5 b; " + deadline + " s]\r\nEND\r\n"},
        {"stats ca 1 1\r\n", "ITEM a [5 b; " + deadline + " s]\r\nEND\r\n"},
        {"stats c 1 1\r\n", "ITEM a [5 b; " + deadline + " s]\r\nEND\r\n"},
        {"stats cachedump 2 10\r\n", "END\r\n"},
        {"stats cachedump 0 10\r\n", "END\r\n"},
        {"stats cachedump 63 10\r\n", "END\r\n"},
        {"stats cachedump 64 10\r\n", "CLIENT_ERROR Illegal slab id\r\n"},
        {"stats cachedump\r\n", "CLIENT_ERROR bad command line\r\n"},
        {"stats cachedump 1\r\n", "CLIENT_ERROR bad command line\r\n"},
        {"stats cachedump x 1\r\n", "CLIENT_ERROR bad command line format\r\n"},
        {"stats cachedump 1 -1\r\n", "CLIENT_ERROR bad command line format\r\n"},
    });
    server.pass_time(101);
    server.expect({{"stats cachedump 1 0\r\n", "END\r\n"}});
}

TEST(StatsCachedumpTest, ShowsEveryItemOnceUpToTheLimit) {
    CommandServer server;
    std::set<std::string> keys;
    for (int i = 0; i < 5000; ++i) {
        const std::string key = "key" + std::to_string(i);
        keys.insert(key);
        server.ask("set " + key + " 0 0 1\r\nx\r\n");
    }
    const auto dumped = [&server](const std::string& limit) {
        std::multiset<std::string> seen;
        std::istringstream report(server.ask("stats cachedump 1 " + limit + "\r\n"));
        for (std::string word; report >> word && word == "ITEM";) {
            std::string key, rest;
            report >> key;
            std::getline(report, rest);
            seen.insert(key);
        }
        return seen;
    };
    const auto all = dumped("0");
    EXPECT_EQ(all.size(), keys.size());
    EXPECT_TRUE(std::ranges::equal(all, keys));
    EXPECT_EQ(dumped("77").size(), 77u);
}

TEST(StatsCachedumpTest, IsNeverLongerThanTwoMebibytes) {
    CommandServer server;
    const std::string long_key(200, 'k');
    for (int i = 0; i < 12'000; ++i)
        server.ask("set " + long_key + std::to_string(i) + " 0 0 1\r\nx\r\n");
    const std::string report = server.ask("stats cachedump 1 0\r\n");
    EXPECT_LE(report.size(), 2u << 20);
    EXPECT_GT(report.size(), (2u << 20) - 400);
    EXPECT_TRUE(report.ends_with(" s]\r\nEND\r\n"));
}

TEST(StatsCachedumpTest, HidesBinaryKeys) {
    CommandServer server;
    server.ask("ms YWJj 1 b\r\nx\r\nset a 0 0 1\r\nx\r\n");
    server.expect({{"stats cachedump 1 0\r\n", "ITEM a [1 b; 0 s]\r\nEND\r\n"}});
}

}  // namespace
}  // namespace shardmill::engine
