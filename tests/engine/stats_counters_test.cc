// What each command counts: exactly these figures move, by exactly this much.

#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <string>
#include <vector>

#include "command_server.h"

namespace shardmill::engine {
namespace {

using Figures = std::map<std::string, std::int64_t>;

/// The figures of plain `stats` that commands can move; others describe time, memory or machinery.
Figures figures(CommandServer& server) {
    Figures values;
    for (const Stat& stat : server.statistics().general(server.now())) {
        static constexpr std::string_view kPrefixes[] = {
            "cmd_",   "get_",  "delete_", "incr_", "decr_",    "cas_", "touch_",
            "store_", "curr_", "total_",  "evict", "expired_", "recl", "crawler_"};
        for (const std::string_view prefix : kPrefixes) {
            if (!stat.name.starts_with(prefix)) continue;
            std::int64_t value = 0;
            std::from_chars(stat.value.data(), stat.value.data() + stat.value.size(), value);
            values[stat.name] = value;
        }
    }
    return values;
}

struct Step {
    std::string request;
    Figures moves;
};

void expect_moves(CommandServer& server, const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        const Figures before = figures(server);
        server.ask(step.request);
        Figures moved;
        for (const auto& [name, value] : figures(server)) {
            if (value != before.at(name)) moved[name] = value - before.at(name);
        }
        EXPECT_EQ(moved, step.moves) << "by " << printable(step.request);
    }
}

TEST(StatsCountersTest, GetsCountKeys) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    expect_moves(server,
                 {
                     {"get a\r\n", {{"cmd_get", 1}, {"get_hits", 1}}},
                     {"get a b a\r\n", {{"cmd_get", 3}, {"get_hits", 2}, {"get_misses", 1}}},
                     {"gets b\r\n", {{"cmd_get", 1}, {"get_misses", 1}}},
                     {"gat 0 a b\r\n", {{"cmd_touch", 2}, {"touch_hits", 1}, {"touch_misses", 1}}},
                     {"gats 9 a\r\n", {{"cmd_touch", 1}, {"touch_hits", 1}}},
                     {"touch a 0\r\n", {{"cmd_touch", 1}, {"touch_hits", 1}}},
                     {"touch b 0\r\n", {{"cmd_touch", 1}, {"touch_misses", 1}}},
                     {"mg a v\r\n", {{"cmd_get", 1}, {"get_hits", 1}}},
                     {"mg b v\r\n", {{"cmd_get", 1}, {"get_misses", 1}}},
                     {"mg a T9\r\n", {{"cmd_touch", 1}, {"touch_hits", 1}}},
                     {"mg b T9\r\n", {{"cmd_get", 1}, {"get_misses", 1}}},
                     {"me a\r\n", {{"cmd_meta", 1}}},
                     {"me b\r\n", {{"cmd_meta", 1}}},
                     {"mn\r\n", {}},
                     {"get\r\n", {}},
                     {"get " + std::string(251, 'k') + "\r\n", {}},
                 });
}

TEST(StatsCountersTest, StoresCountWhereRoomWasFound) {
    CommandServer server({.item_bytes_max = 2048});
    const Figures stored{{"cmd_set", 1}, {"total_items", 1}};
    const Figures added{{"cmd_set", 1}, {"total_items", 1}, {"curr_items", 1}};
    const Figures refused{{"cmd_set", 1}};
    const std::string large = " 0 0 4000\r\n" + std::string(4000, 'x') + "\r\n";
    expect_moves(
        server, {
                    {"set a 0 0 1\r\nx\r\n", added},
                    {"set a 0 0 1\r\ny\r\n", stored},
                    {"set a 0 0 2\r\nyy\r\n", stored},
                    {"add a 0 0 1\r\ny\r\n", refused},
                    {"add b 0 0 1\r\ny\r\n", added},
                    {"replace n 0 0 1\r\ny\r\n", refused},
                    {"replace a 0 0 1\r\ny\r\n", stored},
                    {"append a 0 0 1\r\ny\r\n", stored},
                    {"prepend n 0 0 1\r\ny\r\n", refused},
                    {"set a 0 0 1\r\nxxx\r\n", refused},  // a bad data chunk
                    {"set a x 0 1\r\nx\r\n", {}},
                    {"cas n 0 0 1 5\r\ny\r\n", {{"cmd_set", 1}, {"cas_misses", 1}}},
                    {"cas a 0 0 1 5\r\ny\r\n", {{"cmd_set", 1}, {"cas_badval", 1}}},
                    {"ms m 1\r\nx\r\n", added},
                    {"ms m 1 C5\r\nx\r\n", {{"cmd_set", 1}, {"cas_badval", 1}}},
                    {"ms m 1 C5 I\r\nx\r\n", {{"cmd_set", 1}, {"cas_hits", 1}, {"total_items", 1}}},
                    {"ms n 1 C5\r\nx\r\n", {{"cmd_set", 1}, {"cas_misses", 1}}},
                    {"add n" + large, {{"store_too_large", 1}}},
                    {"set a" + large, {{"store_too_large", 1}, {"curr_items", -1}}},
                });
}

TEST(StatsCountersTest, CasCountsItsHits) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    const std::string hit = server.ask("gets a\r\n");
    const auto begin = hit.find(" 0 1 ") + 5;
    const std::string cas = hit.substr(begin, hit.find('\r', begin) - begin);
    expect_moves(server, {{"cas a 0 0 1 " + cas + "\r\ny\r\n",
                           {{"cmd_set", 1}, {"cas_hits", 1}, {"total_items", 1}}}});
}

TEST(StatsCountersTest, DeletesAndNumbersCountHitsAndMisses) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\nset n 0 0 1\r\n8\r\nset b 0 0 1\r\nx\r\nset m 0 0 1\r\nx\r\n");
    expect_moves(server, {
                             {"delete a\r\n", {{"delete_hits", 1}, {"curr_items", -1}}},
                             {"delete a\r\n", {{"delete_misses", 1}}},
                             {"incr n 1\r\n", {{"incr_hits", 1}}},
                             // A longer number is another item, a shorter or equal one is not.
                             {"incr n 1\r\n", {{"incr_hits", 1}, {"total_items", 1}}},
                             {"decr n 5\r\n", {{"decr_hits", 1}}},
                             {"incr q 1\r\n", {{"incr_misses", 1}}},
                             {"decr q 1\r\n", {{"decr_misses", 1}}},
                             {"incr b 1\r\n", {}},
                             {"incr n x\r\n", {}},
                             {"ma n\r\n", {{"incr_hits", 1}}},
                             {"ma n MD\r\n", {{"decr_hits", 1}}},
                             {"ma q\r\n", {{"incr_misses", 1}}},
                             {"ma q N9\r\n", {{"curr_items", 1}, {"total_items", 1}}},
                             {"md m I\r\n", {}},
                             {"md m x\r\n", {{"delete_hits", 1}, {"total_items", 1}}},
                             {"md m C5\r\n", {{"delete_misses", 1}}},
                             {"md m q\r\n", {{"delete_hits", 1}, {"curr_items", -1}}},
                         });
}

TEST(StatsCountersTest, ANumberThatMustMoveIsNotAnotherItemStored) {
    CommandServer server;
    server.ask("set n 0 0 2\r\n10\r\ngets n\r\n");  // from now on the CAS must change with it
    expect_moves(server, {{"incr n 1\r\n", {{"incr_hits", 1}}}});
}

TEST(StatsCountersTest, ExpiredItemsAreCountedByWhateverComesAcrossThem) {
    CommandServer server;
    // Both in one turn: else housekeeping may have come across it first.
    const auto expect_expired = [&server](const std::string& request, Figures moves) {
        moves["get_expired"] = 1;
        ++moves["cmd_set"];
        ++moves["total_items"];
        expect_moves(server, {{"set e 0 -1 1\r\nx\r\n" + request, moves}});
        server.ask("delete e\r\n");
    };
    expect_expired("get e\r\n", {{"cmd_get", 1}, {"get_misses", 1}});
    expect_expired("mg e\r\n", {{"cmd_get", 1}, {"get_misses", 1}});
    expect_expired("gat 0 e\r\n", {{"cmd_touch", 1}, {"touch_misses", 1}});
    expect_expired("touch e 0\r\n", {{"cmd_touch", 1}, {"touch_misses", 1}});
    expect_expired("delete e\r\n", {{"delete_misses", 1}});
    expect_expired("incr e 1\r\n", {{"incr_misses", 1}});
    expect_expired("me e\r\n", {{"cmd_meta", 1}});
    expect_expired("add e 0 0 1\r\nx\r\n", {{"cmd_set", 1}, {"total_items", 1}, {"curr_items", 1}});
    expect_expired("append e 0 0 1\r\nx\r\n", {{"cmd_set", 1}});
}

TEST(StatsCountersTest, FlushedItemsAreCountedByWhateverComesAcrossThem) {
    CommandServer server;
    // The clean-up that follows every request must not have come first: all in one turn.
    expect_moves(server,
                 {{"set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nflush_all\r\nget a\r\ndelete b\r\n",
                   {{"cmd_set", 2},
                    {"total_items", 2},
                    {"cmd_flush", 1},
                    {"cmd_get", 1},
                    {"get_misses", 1},
                    {"get_flushed", 2},
                    {"delete_misses", 1}}}});
}

TEST(StatsCountersTest, WithoutMemoryNothingIsSet) {
    CommandServer server({.memory_limit = 16u << 20, .shards = 1, .evict = false});
    const std::string value(100'000, 'x');
    const auto set = [&value](int i) {
        return "set k" + std::to_string(i) + " 0 0 100000\r\n" + value + "\r\n";
    };
    int i = 0;
    while (server.ask(set(i)) == "STORED\r\n") ++i;
    ASSERT_GT(i, 20);
    expect_moves(server, {
                             {set(i), {{"store_no_memory", 1}}},
                             {"set k0 0 0 500000\r\n" + std::string(500'000, 'x') + "\r\n",
                              {{"store_no_memory", 1}, {"curr_items", -1}}},
                         });
}

TEST(StatsCountersTest, EvictionsTellWhatWasDropped) {
    CommandServer server({.memory_limit = 16u << 20, .shards = 1});
    const std::string value(10'000, 'x');
    for (int i = 0; i < 5000; ++i) {
        server.ask("set k" + std::to_string(i) + " 0 " + (i % 2 == 0 ? "0" : "5000") +
                   " 10000\r\n" + value + "\r\n");
    }
    const auto evictions = server.stat("evictions");
    EXPECT_GT(evictions, 1000u);
    EXPECT_EQ(server.stat("evicted_unfetched"), evictions);
    EXPECT_EQ(server.stat("evicted_active"), 0u);
    EXPECT_EQ(server.stat("curr_items") + evictions, 5000u);
    EXPECT_EQ(server.stat("direct_reclaims"), 0u) << "room is made ahead of need";
    const store::ShardStats store = server.statistics().totals(server.now()).store;
    EXPECT_NEAR(static_cast<double>(store.evicted_nonzero), static_cast<double>(evictions) / 2,
                static_cast<double>(evictions) / 10);
    EXPECT_EQ(store.evicted_at, server.now());
    EXPECT_EQ(store.evicted_age, 0u);
    server.ask("set large 0 0 900000\r\n" + std::string(900'000, 'x') + "\r\n");
    EXPECT_GT(server.stat("direct_reclaims"), 0u);
}

TEST(StatsCountersTest, ExpiredItemsMakeRoomWithoutBeingEvicted) {
    CommandServer server({.memory_limit = 16u << 20, .shards = 1});
    const std::string value(10'000, 'x');
    for (int i = 0; i < 500; ++i)
        server.ask("set k" + std::to_string(i) + " 0 5 10000\r\n" + value + "\r\n");
    server.pass_time(10);
    while (server.executor().housekeep()) {
    }
    const auto reclaimed = server.stat("reclaimed");
    EXPECT_GT(reclaimed, 400u);
    EXPECT_EQ(server.stat("expired_unfetched"), reclaimed);
    EXPECT_EQ(server.stat("crawler_reclaimed"), 0u);
    EXPECT_EQ(server.stat("direct_reclaims"), 0u);
    EXPECT_EQ(server.stat("evictions"), 0u);
    EXPECT_EQ(server.stat("get_expired"), 0u);
}

TEST(StatsCountersTest, ResetTakesBackCountsAndLeavesThePresent) {
    CommandServer server;
    server.connections().current = 3;
    server.connections().total = 9;
    server.connections().rejected = 2;
    server.connections().bytes_read = 100;
    server.server_counters().add(ServerCounter::LogWorkerWritten, 5);
    server.server_counters().log_watchers = 1;
    server.ask("set a 0 0 1\r\nx\r\nget a b\r\nset e 0 -1 1\r\nx\r\nget e\r\ndelete q\r\n");
    ASSERT_EQ(server.stat("log_worker_written"), 5u);
    const auto bytes = server.stat("bytes");
    ASSERT_GT(bytes, 0u);
    server.expect({{"stats reset\r\n", "RESET\r\n"}});
    for (const Stat& stat : server.statistics().general(server.now())) {
        static constexpr std::string_view kCounts[] = {
            "cmd_",     "get_",   "delete_", "incr_",     "decr_",       "cas_",     "touch_",
            "store_",   "auth_",  "log_w",   "evict",     "reclaimed",   "crawler_", "expired",
            "listen_d", "bytes_", "total_",  "rejected_", "conn_yields", "moves_"};
        if (stat.name == "log_watchers") continue;
        for (const std::string_view name : kCounts) {
            if (stat.name.starts_with(name)) {
                EXPECT_EQ(stat.value, "0") << stat.name;
            }
        }
    }
    EXPECT_EQ(server.stat("curr_items"), 1u);
    EXPECT_EQ(server.stat("bytes"), bytes);
    EXPECT_EQ(server.stat("curr_connections"), 3u);
    EXPECT_EQ(server.stat("log_watchers"), 1u);
    server.connections().total = 10;
    EXPECT_EQ(server.stat("total_connections"), 1u);
}

}  // namespace
}  // namespace shardmill::engine
