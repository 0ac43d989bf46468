// slabs, lru, lru_crawler and extstore: checked and answered as memcached does, remembered, shown.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "command_server.h"

namespace shardmill::engine {
namespace {

constexpr const char* kOk = "OK\r\n";
constexpr const char* kError = "ERROR\r\n";
constexpr const char* kBadLine = "CLIENT_ERROR bad command line format\r\n";

std::string setting(CommandServer& server, std::string_view name) {
    const std::string report = server.ask("stats settings\r\n");
    const std::string line = "STAT " + std::string(name) + " ";
    const auto at = report.find(line);
    if (at == std::string::npos) return "absent";
    const auto begin = at + line.size();
    return report.substr(begin, report.find('\r', begin) - begin);
}

TEST(SlabsCommandTest, AutomoveIsCheckedAndRemembered) {
    CommandServer server;
    server.expect({
        {"slabs\r\n", kError},
        {"slabs automove\r\n", kError},
        {"slabs nothing 1\r\n", kError},
        {"slabs automove 3\r\n", kError},
        {"slabs automove x\r\n", kBadLine},
        {"slabs automove -1\r\n", kBadLine},
        {"slabs automove 2\r\n", kOk},
        {"slabs automove ratio\r\n", kError},
        {"slabs automove ratio x\r\n", kError},
        {"slabs automove ratio 0.5x\r\n", kError},
        {"slabs automove ratio 0.5\r\n", kOk},
        {"slabs automove freeratio 0.25\r\n", kOk},
        {"slabs automove freeratio\r\n", kError},
        {"slabs automove window\r\n", kBadLine},
        {"slabs automove window 2\r\n", "CLIENT_ERROR automove window too low or too high\r\n"},
        {"slabs automove window 1801\r\n", "CLIENT_ERROR automove window too low or too high\r\n"},
        {"slabs automove window 1800\r\n", kOk},
    });
    EXPECT_EQ(setting(server, "slab_automove"), "2");
    EXPECT_EQ(setting(server, "slab_automove_ratio"), "0.50");
    EXPECT_EQ(setting(server, "slab_automove_window"), "1800");
    server.expect({{"slabs auto 0 noreply\r\n", ""}});
    EXPECT_EQ(setting(server, "slab_automove"), "0");
}

TEST(SlabsCommandTest, ReassignKnowsOneClassWithPages) {
    CommandServer server({.memory_limit = 64u << 20, .shards = 1});
    const char* const kBadClass = "BADCLASS invalid src or dst class id\r\n";
    const char* const kNoSpare = "NOSPARE source class has no spare pages\r\n";
    server.expect({
        {"slabs reassign\r\n", kError},
        {"slabs reassign 1\r\n", kError},
        {"slabs reassign 1 2 3\r\n", kError},
        {"slabs reassign 1 x\r\n", kBadLine},
        {"slabs reassign 1 1\r\n", "SAME src and dst class are identical\r\n"},
        {"slabs reassign 1 64\r\n", kBadClass},
        {"slabs reassign -2 1\r\n", kBadClass},
        {"slabs reassign -1 2\r\n", kBadClass},
        {"slabs reassign 1 2\r\n", kNoSpare},
        {"slabs reassign 0 1\r\n", kNoSpare},
    });
    for (int i = 0; i < 8; ++i) {
        server.ask("set k" + std::to_string(i) + " 0 0 500000\r\n" + std::string(500000, 'x') +
                   "\r\n");
    }
    server.expect({
        {"slabs reassign 1 2\r\n", kOk},
        {"slabs reassign -1 0\r\n", kOk},
        {"slabs reassign -1 1\r\n", kBadClass},
        {"slabs reassign 2 1\r\n", kNoSpare},
        // The word counts as a token: memcached, too, then sees one too many.
        {"slabs reassign 1 2 noreply\r\n", ""},
    });
}

TEST(SlabsCommandTest, ReassignCanBeDisabled) {
    CommandServer::Options options;
    options.config.tuning.slab_reassign = false;
    CommandServer server(options);
    server.expect({{"slabs reassign x y\r\n", "CLIENT_ERROR slab reassignment disabled\r\n"}});
}

TEST(LruCommandTest, TuneIsCheckedAndRemembered) {
    CommandServer server;
    server.expect({
        {"lru \r\n", kError},
        {"lru tune 10 25 0.1\r\n", kError},
        {"lru tune 10 x 0.1 2.0\r\n", kError},
        {"lru tune 10 25 0.1 y\r\n", kError},
        {"lru tune 40 41 0.1 2.0\r\n", "ERROR hot and warm pcts must not exceed 80\r\n"},
        {"lru tune 10 25 0 2.0\r\n", "ERROR hot/warm age factors must be greater than 0\r\n"},
        {"lru tune 10 25 0.1 -1\r\n", "ERROR hot/warm age factors must be greater than 0\r\n"},
        {"lru tune 10 25 0.1 1.5\r\n", kOk},
    });
    EXPECT_EQ(setting(server, "hot_lru_pct"), "10");
    EXPECT_EQ(setting(server, "warm_lru_pct"), "25");
    EXPECT_EQ(setting(server, "hot_max_factor"), "0.10");
    EXPECT_EQ(setting(server, "warm_max_factor"), "1.50");
}

TEST(LruCommandTest, ModeAndTemporaryTtlAreRemembered) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    server.expect({
        {"lru mode\r\n", kError},
        {"lru mode round\r\n", kError},
        {"lru mode flat\r\n", kOk},
        {"lru temp_ttl\r\n", kError},
        {"lru temp_ttl x\r\n", kError},
        {"lru temp_ttl 33\r\n", kOk},
    });
    EXPECT_EQ(setting(server, "lru_segmented"), "no");
    EXPECT_EQ(setting(server, "temp_lru"), "yes");
    EXPECT_EQ(setting(server, "temporary_ttl"), "33");
    EXPECT_NE(server.ask("stats items\r\n").find("items:1:number_temp 0"), std::string::npos);
    server.expect({{"lru mode segmented\r\n", kOk}, {"lru temp_ttl -1\r\n", kOk}});
    EXPECT_EQ(setting(server, "lru_segmented"), "yes");
    EXPECT_EQ(setting(server, "temp_lru"), "no");
    EXPECT_EQ(setting(server, "temporary_ttl"), "33");
}

TEST(LruCommandTest, ModeAndTemporaryTtlNeedTheMaintainer) {
    CommandServer::Options options;
    options.config.tuning.lru_maintainer = false;
    CommandServer server(options);
    server.expect({
        {"lru mode flat\r\n", kError},
        {"lru temp_ttl 5\r\n", kError},
        {"lru tune 10 25 0.1 2.0\r\n", kOk},
    });
}

TEST(LruCrawlerCommandTest, FiguresAreCheckedAndRemembered) {
    CommandServer server;
    server.expect({
        {"lru_crawler\r\n", kError},
        {"lru_crawler sleep\r\n", kError},
        {"lru_crawler sleep x\r\n", kBadLine},
        {"lru_crawler sleep 1000001\r\n", "CLIENT_ERROR sleep must be one second or less\r\n"},
        {"lru_crawler sleep 1000000\r\n", kOk},
        {"lru_crawler sleep 5 5\r\n", kError},
        {"lru_crawler tocrawl x\r\n", kBadLine},
        {"lru_crawler tocrawl 77\r\n", kOk},
        {"lru_crawler nothing\r\n", kError},
    });
    EXPECT_EQ(setting(server, "lru_crawler_sleep"), "1000000");
    EXPECT_EQ(setting(server, "lru_crawler_tocrawl"), "77");
}

TEST(LruCrawlerCommandTest, IsSwitchedOnAndOff) {
    CommandServer server;
    server.expect({
        {"lru_crawler enable\r\n", "ERROR failed to start lru crawler thread\r\n"},
        {"lru_crawler disable\r\n", kOk},
        {"lru_crawler disable\r\n", kOk},
        {"lru_crawler crawl all\r\n", "CLIENT_ERROR lru crawler disabled\r\n"},
        {"lru_crawler metadump all\r\n", "CLIENT_ERROR lru crawler disabled\r\n"},
        {"lru_crawler mgdump all\r\n", "CLIENT_ERROR lru crawler disabled\r\n"},
    });
    EXPECT_EQ(setting(server, "lru_crawler"), "no");
    EXPECT_EQ(server.ask("stats\r\n").find("lru_crawler_running"), std::string::npos);
    server.expect({{"lru_crawler enable\r\n", kOk}});
    EXPECT_EQ(setting(server, "lru_crawler"), "yes");
}

TEST(LruCrawlerCommandTest, DumpsCanBeForbidden) {
    CommandServer::Options options;
    options.config.dump_enabled = false;
    CommandServer server(options);
    server.expect({
        {"lru_crawler metadump all\r\n", "ERROR metadump not allowed\r\n"},
        {"lru_crawler mgdump all\r\n", "ERROR key dump not allowed\r\n"},
    });
}

TEST(ExtstoreCommandTest, IsAcceptedWithoutAnExtstore) {
    CommandServer server;
    server.expect({
        {"extstore\r\n", kError},
        {"extstore item_size\r\n", kError},
        {"extstore item_size x\r\n", kError},
        {"extstore item_size 256\r\n", kOk},
        {"extstore item_age 5\r\n", kOk},
        {"extstore low_ttl 5\r\n", kOk},
        {"extstore recache_rate 5\r\n", kOk},
        {"extstore compact_under 5\r\n", kOk},
        {"extstore drop_under 5\r\n", kOk},
        {"extstore max_sleep 5\r\n", kOk},
        {"extstore max_frag 0.5\r\n", kOk},
        {"extstore max_frag y\r\n", kError},
        {"extstore drop_unread 1\r\n", kOk},
        {"extstore drop_unread y\r\n", kError},
        {"extstore free_memchunks 1\r\n", kError},
        {"extstore free_memchunks 1 5\r\n", kOk},
        {"extstore free_memchunks 63 5\r\n", kOk},
        {"extstore free_memchunks 64 5\r\n", kError},
        {"extstore nothing 5\r\n", kError},
    });
    EXPECT_EQ(server.settings().ext_item_size.load(), 256u);
    EXPECT_TRUE(server.settings().ext_drop_unread.load());
}

TEST(NoReplyTest, SilencesAdministratorsCommandsAndTheirErrors) {
    CommandServer server;
    server.expect({
        {"slabs automove 9 noreply\r\n", ""},
        {"lru tune 90 90 1 1 noreply\r\n", ""},
        {"lru mode flat noreply\r\n", ""},
        {"lru temp_ttl noreply\r\n", ""},
        {"extstore item_size 77 noreply\r\n", ""},
        // One token more than memcached looks for: refused, in silence.
        {"lru_crawler sleep 5 noreply\r\n", ""},
        {"lru_crawler disable noreply\r\n", ""},
        {"verbosity x noreply\r\n", ""},
    });
    EXPECT_EQ(setting(server, "lru_segmented"), "no");
    EXPECT_EQ(setting(server, "lru_crawler"), "yes");
    EXPECT_EQ(setting(server, "lru_crawler_sleep"), "100");
    EXPECT_EQ(server.settings().ext_item_size.load(), 77u);
}

}  // namespace
}  // namespace shardmill::engine
