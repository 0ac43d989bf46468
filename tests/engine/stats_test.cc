#include "engine/stats.h"

#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "command_server.h"
#include "config/config.h"

namespace shardmill::engine {
namespace {

/// The names memcached 1.6 reports with its default options, in its order.
constexpr std::string_view kMemcachedNames =
    "pid uptime time version libevent pointer_size rusage_user rusage_system max_connections "
    "curr_connections total_connections rejected_connections connection_structures "
    "response_obj_oom response_obj_count response_obj_bytes read_buf_count read_buf_bytes "
    "read_buf_bytes_free read_buf_oom reserved_fds cmd_get cmd_set cmd_flush cmd_touch cmd_meta "
    "get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits "
    "decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large "
    "store_no_memory auth_cmds auth_errors bytes_read bytes_written limit_maxbytes "
    "accepting_conns listen_disabled_num time_in_listen_disabled_us threads conn_yields "
    "hash_power_level hash_bytes hash_is_expanding slab_reassign_rescues "
    "slab_reassign_chunk_rescues slab_reassign_inline_reclaim slab_reassign_busy_items "
    "slab_reassign_busy_deletes slab_reassign_busy_nomem slab_reassign_last_busy_status "
    "slab_reassign_running slabs_moved lru_crawler_running lru_crawler_starts "
    "lru_maintainer_juggles malloc_fails log_worker_dropped log_worker_written "
    "log_watcher_skipped log_watcher_sent log_watchers unexpected_napi_ids round_robin_fallback "
    "bytes curr_items total_items slab_global_page_pool expired_unfetched evicted_unfetched "
    "evicted_active evictions reclaimed crawler_reclaimed crawler_items_checked lrutail_reflocked "
    "moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped";

std::vector<std::string> words(std::string_view text) {
    std::istringstream stream{std::string(text)};
    return {std::istream_iterator<std::string>(stream), {}};
}

/// The names in the lines of a report.
std::vector<std::string> names_in(const std::string& report) {
    std::vector<std::string> names;
    std::istringstream lines(report);
    for (std::string line; std::getline(lines, line) && line.starts_with("STAT ");) {
        const auto end = line.find(' ', 5);
        EXPECT_GT(line.size(), end + 2) << line;
        names.push_back(line.substr(5, end - 5));
    }
    return names;
}

/// Of a report that begins with `expected`, whether the rest is only shardmill's own.
void expect_first(const std::string& report, const std::vector<std::string>& expected) {
    std::vector<std::string> names = names_in(report);
    ASSERT_GE(names.size(), expected.size());
    EXPECT_EQ(names[expected.size()], "shardmill_version");
    names.resize(expected.size());
    EXPECT_EQ(names, expected);
    EXPECT_TRUE(report.ends_with("\r\nEND\r\n"));
}

std::vector<std::string> without(std::string_view gone) {
    std::vector<std::string> names = words(kMemcachedNames);
    for (const std::string& name : words(gone)) {
        EXPECT_EQ(std::erase(names, name), 1u) << name;
    }
    return names;
}

TEST(StatsTest, ReportsEveryNameOfMemcachedFirstAndInItsOrder) {
    CommandServer server;
    EXPECT_EQ(words(kMemcachedNames).size(), 93u);
    expect_first(server.ask("stats\r\n"), words(kMemcachedNames));
}

TEST(StatsTest, LacksTheNamesThatAConfigurationDoesNotHave) {
    {
        CommandServer::Options options;
        options.config.tuning.lru_crawler = false;
        options.config.tuning.lru_maintainer = false;
        const auto expected = without(
            "lru_crawler_running lru_crawler_starts lru_maintainer_juggles evicted_active "
            "moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped");
        EXPECT_EQ(expected.size(), 84u);
        expect_first(CommandServer(options).ask("stats\r\n"), expected);
    }
    {
        CommandServer::Options options;
        options.config.close_over_limit = false;
        options.config.tuning.slab_reassign = false;
        expect_first(
            CommandServer(options).ask("stats\r\n"),
            without("rejected_connections slab_reassign_rescues slab_reassign_chunk_rescues "
                    "slab_reassign_inline_reclaim slab_reassign_busy_items "
                    "slab_reassign_busy_deletes slab_reassign_busy_nomem "
                    "slab_reassign_last_busy_status slab_reassign_running slabs_moved"));
    }
}

TEST(StatsTest, ItemsAndSlabsHaveMemcachedsNamesInItsOrder) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    const auto prefixed = [](std::string_view prefix, std::string_view names) {
        std::vector<std::string> result = words(names);
        for (std::string& name : result) name.insert(0, prefix);
        return result;
    };
    EXPECT_EQ(names_in(server.ask("stats items\r\n")),
              prefixed("items:1:",
                       "number number_hot number_warm number_cold age_hot age_warm age "
                       "mem_requested evicted evicted_nonzero evicted_time outofmemory "
                       "tailrepairs reclaimed expired_unfetched evicted_unfetched evicted_active "
                       "crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold "
                       "moves_to_warm moves_within_lru direct_reclaims hits_to_hot hits_to_warm "
                       "hits_to_cold hits_to_temp"));
    auto expected = prefixed("1:",
                             "chunk_size chunks_per_page total_pages total_chunks used_chunks "
                             "free_chunks free_chunks_end get_hits cmd_set delete_hits incr_hits "
                             "decr_hits cas_hits cas_badval touch_hits");
    expected.insert(expected.end(), {"active_slabs", "total_malloced"});
    EXPECT_EQ(names_in(server.ask("stats slabs\r\n")), expected);
}

TEST(StatsTest, SlabFiguresFitTogether) {
    CommandServer server({.shards = 1});
    const auto figure = [&server](const std::string& name) {
        const std::string report = server.ask("stats slabs\r\n");
        return std::stoull(report.substr(report.find("1:" + name + " ") + name.size() + 3));
    };
    for (int i = 0; i < 3000; ++i)
        server.ask("set k" + std::to_string(i) + " 0 0 100\r\n" + std::string(100, 'x') + "\r\n");
    EXPECT_EQ(figure("used_chunks"), 3000u);
    EXPECT_EQ(figure("total_chunks"), figure("total_pages") * figure("chunks_per_page"));
    EXPECT_EQ(figure("free_chunks"), figure("total_chunks") - 3000u);
    EXPECT_NEAR(static_cast<double>(figure("chunk_size")), 110.0, 10.0);
}

TEST(StatsTest, AgeIsThatOfTheItemAtTheEndOfTheQueue) {
    CommandServer server({.shards = 1});
    server.ask("set a 0 0 1\r\nx\r\n");
    server.pass_time(50);
    server.ask("set b 0 0 1\r\nx\r\n");
    EXPECT_NE(server.ask("stats items\r\n").find("items:1:age 50\r\n"), std::string::npos);
    server.ask("get a\r\n");
    EXPECT_NE(server.ask("stats items\r\n").find("items:1:age 0\r\n"), std::string::npos);
}

TEST(StatsTest, OldestTellsOfTheLastFlush) {
    CommandServer server;
    EXPECT_NE(server.ask("stats settings\r\n").find("STAT oldest 0\r\n"), std::string::npos);
    server.ask("flush_all\r\n");
    EXPECT_NE(server.ask("stats settings\r\n").find("STAT oldest 1061\r\n"), std::string::npos);
}

TEST(StatsTest, EveryNameIsReportedOnce) {
    CommandServer server;
    std::set<std::string> names;
    for (const Stat& stat : server.statistics().general(server.now())) {
        EXPECT_TRUE(names.insert(stat.name).second) << stat.name;
        EXPECT_EQ(stat.value.find_first_of("\r\n"), std::string::npos) << stat.name;
    }
    EXPECT_TRUE(names.contains("shardmill_version"));
}

TEST(StatsTest, ShowsWhatTheServerIsAndHolds) {
    CommandServer server({.memory_limit = 64u << 20, .shards = 4});
    server.ask("set a 0 0 100\r\n" + std::string(100, 'x') + "\r\nset b 0 0 1\r\nx\r\n");
    EXPECT_EQ(server.stat("uptime"), 1002u);
    EXPECT_EQ(server.stat("time"), server.now());
    EXPECT_EQ(server.stat("limit_maxbytes"), 64u << 20);
    EXPECT_EQ(server.stat("curr_items"), 2u);
    EXPECT_EQ(server.stat("total_items"), 2u);
    EXPECT_GE(server.stat("bytes"), 103u);
    EXPECT_EQ(server.stat("shards"), 4u);
    EXPECT_GT(server.stat("hash_bytes"), 0u);
    const std::string report = server.ask("stats\r\n");
    EXPECT_NE(report.find("STAT version 1.6.45\r\n"), std::string::npos);
}

TEST(StatsTest, ResetZeroesCountersAndKeepsThePresent) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\nget a b\r\nflush_all 100\r\n");
    ASSERT_EQ(server.stat("cmd_get"), 2u);
    server.expect({{"stats reset\r\n", "RESET\r\n"}});
    for (const auto* name :
         {"cmd_get", "get_hits", "get_misses", "cmd_set", "cmd_flush", "total_items"}) {
        EXPECT_EQ(server.stat(name), 0u) << name;
    }
    EXPECT_EQ(server.stat("curr_items"), 1u);
    EXPECT_EQ(server.stat("uptime"), 1002u);
    server.ask("get a\r\n");
    EXPECT_EQ(server.stat("get_hits"), 1u);
}

TEST(StatsTest, SumsOverReactors) {
    store::ShardSet shards({.memory_limit = 16u << 20, .shards = 1});
    Counters first, second;
    net::ConnectionCounters front, back;
    first.add(Counter::CmdGet, 3);
    second.add(Counter::CmdGet, 4);
    front.current = 2;
    back.current = 5;
    front.bytes_read = 10;
    back.bytes_read = 100;
    const config::Config config;
    RuntimeSettings settings(config);
    const ServerCounters server;
    Statistics statistics({.shards = &shards,
                           .config = &config,
                           .settings = &settings,
                           .server = &server,
                           .counters = {&first, &second},
                           .connections = {&front, &back}});
    EXPECT_EQ(statistics.totals(0).count(Counter::CmdGet), 7u);
    EXPECT_EQ(statistics.totals(0).connections.current, 7u);
    EXPECT_EQ(statistics.totals(0).connections.bytes_read, 110u);
    statistics.reset();
    second.add(Counter::CmdGet);
    EXPECT_EQ(statistics.totals(0).count(Counter::CmdGet), 1u);
    EXPECT_EQ(statistics.totals(0).connections.current, 7u);
    EXPECT_EQ(statistics.totals(0).connections.bytes_read, 0u);
}

TEST(StatsTest, SubCommandsMayBeAbbreviatedAsMemcachedAllows) {
    CommandServer server;
    const std::string settings = server.ask("stats settings\r\n");
    EXPECT_TRUE(settings.starts_with("STAT maxbytes 67108864\r\n")) << settings;
    server.expect({
        {"stats se\r\n", settings},
        {"stats s\r\n", settings},
        {"stats r\r\n", "RESET\r\n"},
        {"stats reset now\r\n", "RESET\r\n"},
        {"stats resets\r\n", "ERROR\r\n"},
        {"stats it\r\n", "ERROR\r\n"},
        {"stats foo\r\n", "ERROR\r\n"},
        {"stats extstore\r\n", "END\r\n"},
        {"stats e\r\n", "END\r\n"},
        {"stats proxy\r\n", "ERROR\r\n"},
        {"stats sizes_enable\r\n", "ERROR\r\n"},
        {"stats Settings\r\n", "ERROR\r\n"},
        {"stats sizes\r\n", "STAT sizes_status disabled\r\nEND\r\n"},
    });
}

TEST(StatsTest, SettingsFollowTheVerbosityCommand) {
    CommandServer server;
    server.ask("verbosity 1\r\n");
    EXPECT_NE(server.ask("stats settings\r\n").find("STAT verbosity 1\r\n"), std::string::npos);
    server.ask("verbosity 0\r\n");
}

TEST(StatsTest, ItemsAndSlabsAreOneClass) {
    CommandServer server;
    server.expect({{"stats items\r\n", "END\r\n"}});
    server.ask("set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nget a\r\n");
    const std::string items = server.ask("stats items\r\n");
    EXPECT_TRUE(items.starts_with("STAT items:1:number 2\r\n")) << items;
    EXPECT_NE(items.find("STAT items:1:evicted_unfetched 0\r\n"), std::string::npos);
    EXPECT_TRUE(items.ends_with("END\r\n"));
    const std::string slabs = server.ask("stats slabs\r\n");
    EXPECT_TRUE(slabs.starts_with("STAT 1:chunk_size ")) << slabs;
    EXPECT_NE(slabs.find("STAT 1:get_hits 1\r\n"), std::string::npos);
    EXPECT_NE(slabs.find("STAT active_slabs 1\r\nSTAT total_malloced "), std::string::npos);
}

}  // namespace
}  // namespace shardmill::engine
