#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "command_server.h"

namespace shardmill::engine {
namespace {

TEST(CommandPipelineTest, RepliesOfOneTurnComeInRequestOrderOverAllShards) {
    CommandServer server({.shards = 16});
    std::string requests;
    std::string replies;
    for (int i = 0; i < 500; ++i) {
        const std::string key = "key" + std::to_string(i % 50);
        const std::string value = std::to_string(i);
        const std::string data = std::to_string(value.size()) + "\r\n" + value + "\r\n";
        requests += "set " + key + " 0 0 " + data + "get " + key + "\r\nmn\r\n";
        replies += "STORED\r\nVALUE " + key + " 0 " + data + "END\r\nMN\r\n";
    }
    EXPECT_EQ(server.ask(requests), replies);
}

TEST(CommandPipelineTest, AMultigetSpansShardsAndKeepsItsOrder) {
    CommandServer server({.shards = 16});
    std::string get = "get";
    std::string reply;
    for (int i = 0; i < 200; ++i) {
        const std::string key = "key" + std::to_string(i);
        server.ask("set " + key + " 1 0 3\r\nabc\r\n");
        get += " " + key + " missing" + std::to_string(i);
        reply += "VALUE " + key + " 1 3\r\nabc\r\n";
    }
    EXPECT_EQ(server.ask(get + "\r\n"), reply + "END\r\n");
}

TEST(CommandPipelineTest, CommandsWithoutAKeyAreBarriers) {
    CommandServer server({.shards = 16});
    std::string requests;
    std::string replies;
    for (int i = 0; i < 40; ++i) {
        const std::string key = "key" + std::to_string(i);
        requests += "set " + key + " 0 0 1\r\nx\r\n";
        replies += "STORED\r\n";
    }
    requests += "flush_all\r\nget key1 key2 key3 key4\r\nset key1 0 0 1\r\ny\r\nget key1\r\n";
    replies += "OK\r\nEND\r\nSTORED\r\nVALUE key1 0 1\r\ny\r\nEND\r\n";
    EXPECT_EQ(server.ask(requests), replies);
}

TEST(CommandPipelineTest, LargeValuesAreSentFromTheLogWhateverHappensToTheItem) {
    CommandServer server;
    const std::string value(20'000, 'v');
    const std::string data = "20000\r\n" + value + "\r\n";
    const std::string hit = "VALUE big 3 " + data;
    server.ask("set big 3 0 " + data + "set small 0 0 1\r\nx\r\n");
    EXPECT_EQ(server.ask("get big\r\n"), hit + "END\r\n");
    EXPECT_EQ(server.last_pinned(), 1u);
    EXPECT_EQ(server.ask("get small big small big\r\nmg big v k\r\n"),
              "VALUE small 0 1\r\nx\r\n" + hit + "VALUE small 0 1\r\nx\r\n" + hit +
                  "END\r\nVA 20000 kbig\r\n" + value + "\r\n");
    EXPECT_EQ(server.last_pinned(), 3u);
    // The value is overwritten, deleted and flushed while the reply still needs it.
    EXPECT_EQ(server.ask("get big\r\nset big 3 0 20000\r\n" + std::string(20'000, 'w') +
                         "\r\ngat 60 big\r\ndelete big\r\nflush_all\r\n"),
              hit + "END\r\nSTORED\r\nVALUE big 3 20000\r\n" + std::string(20'000, 'w') +
                  "\r\nEND\r\nDELETED\r\nOK\r\n");
    EXPECT_EQ(server.last_pinned(), 2u);
    EXPECT_EQ(server.stat("pinned_bytes"), 0u);
}

TEST(CommandPipelineTest, AShortRequestForManyValuesIsNotCopiedOutInFull) {
    CommandServer server;
    const std::string value(10'000, 'v');
    server.ask("set a 0 0 10000\r\n" + value + "\r\n");
    constexpr int kKeys = 3000;
    std::string get = "get";
    std::string reply;
    for (int i = 0; i < kKeys; ++i) {
        get += " a";
        reply += "VALUE a 0 10000\r\n" + value + "\r\n";
    }
    EXPECT_TRUE(server.ask(get + "\r\n") == reply + "END\r\n");
    EXPECT_GT(server.last_pinned(), 1000u);
    EXPECT_LT(server.last_pinned(), std::size_t{kKeys}) << "small replies are copied";
}

TEST(CommandPipelineTest, PinnedValuesSurviveTheReuseOfAllOtherMemory) {
    constexpr std::size_t kSizes[] = {20'000, 500'000};
    for (const std::size_t bytes : kSizes) {
        CommandServer server({.memory_limit = 16u << 20, .shards = 1});
        const std::string size = std::to_string(bytes);
        const std::string value(bytes, 'v');
        server.ask("set big 0 0 " + size + "\r\n" + value + "\r\n");
        const auto fill_the_memory_twice = [&server, &size, bytes] {
            server.ask("delete big\r\n");
            for (std::size_t i = 0; i < (32u << 20) / bytes; ++i) {
                server.ask("set fill" + std::to_string(i) + " 0 0 " + size + "\r\n" +
                           std::string(bytes, 'f') + "\r\n");
            }
        };
        EXPECT_EQ(server.ask("get big\r\n", fill_the_memory_twice),
                  "VALUE big 0 " + size + "\r\n" + value + "\r\nEND\r\n");
        EXPECT_GT(server.stat("evictions"), 0u);
        server.ask("mn\r\n");
        EXPECT_EQ(server.stat("pinned_bytes"), 0u);
    }
}

std::string random_command(std::mt19937& random) {
    const auto pick = [&random](auto... options) {
        const std::vector<std::string> list{options...};
        return list[random() % list.size()];
    };
    const std::string key = "key" + std::to_string(random() % 20);
    const std::string value = pick("1", "99", "abc", "", "18446744073709551615");
    const std::string data = std::to_string(value.size()) + "\r\n" + value + "\r\n";
    switch (random() % 10) {
        case 0:
            return pick("set ", "add ", "replace ") + key + pick(" 0 0 ", " 7 100 ") + data;
        case 1:
            return pick("append ", "prepend ") + key + " 0 0 " + data;
        case 2:
            return pick("get ", "gat 50 ") + key + " other " + key + "\r\n";
        case 3:
            return pick("delete ", "md ") + key + "\r\n";
        case 4:
            return pick("incr ", "decr ") + key + pick(" 1", " 1000") + "\r\n";
        case 5:
            return "mg " + key + pick(" v t", " N30 v", " R60 s k q", " T20 f") + "\r\n";
        case 6:
            return "ms " + key + " " + std::to_string(value.size()) +
                   pick(" E9", " C9 k", " MA s", " C8 I") + "\r\n" + value + "\r\n";
        case 7:
            return "ma " + key + pick(" v", " N30 J7 v", " MD q", " C9 k") + "\r\n";
        case 8:
            return "md " + key + pick(" I", " x", " C9 k") + "\r\n";
        default:
            return pick("mn\r\n", "touch " + key + " 60\r\n", std::string("bad\r\n"));
    }
}

TEST(CommandPipelineTest, ATurnOfManyCommandsEqualsManyTurnsOfOne) {
    std::mt19937 random(20260101);
    CommandServer together({.shards = 8});
    CommandServer apart({.shards = 8});
    for (int round = 0; round < 200; ++round) {
        std::string pipeline;
        std::string replies;
        for (int i = 0; i < 100; ++i) {
            const std::string command = random_command(random);
            pipeline += command;
            replies += apart.ask(command);
        }
        ASSERT_EQ(printable(together.ask(pipeline)), printable(replies)) << "round " << round;
    }
}

}  // namespace
}  // namespace shardmill::engine
