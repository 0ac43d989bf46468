#include <gtest/gtest.h>

#include "command_server.h"

namespace shardmill::engine {
namespace {

TEST(CommandDeleteTest, DeletesOnceWhateverFollowsTheKey) {
    CommandServer server;
    server.expect({
        {"delete a\r\n", "NOT_FOUND\r\n"},
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"delete a\r\n", "DELETED\r\n"},
        {"get a\r\n", "END\r\n"},
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"delete a 0\r\n", "DELETED\r\n"},
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"delete a 10 noreply\r\n", ""},
        {"delete a\r\n", "NOT_FOUND\r\n"},
        {"set noreply 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"delete noreply\r\n", ""},  // quiet, and of the key of that name
        {"get noreply\r\n", "END\r\n"},
    });
    EXPECT_EQ(server.stat("delete_hits"), 4u);
    EXPECT_EQ(server.stat("delete_misses"), 2u);
    EXPECT_EQ(server.stat("curr_items"), 0u);
}

TEST(CommandMetaDeleteTest, DeletesComparesAndAnswersItsFlags) {
    CommandServer server;
    server.expect({
        {"md a k Oxyz\r\n", "NF ka Oxyz\r\n"},
        {"ms a 1 E5\r\nx\r\n", "HD\r\n"},
        {"md a C6 Oxyz k\r\n", "EX Oxyz ka\r\n"},
        {"md a C0\r\n", "EX\r\n"},
        {"md a C5 k\r\n", "HD ka\r\n"},
        {"md a q\r\n", "NF\r\n"},  // only success is quiet
        {"ms a 1 E5\r\nx\r\n", "HD\r\n"},
        {"md a C6 q\r\n", "EX\r\n"},
        {"md a q O1\r\n", ""},
        {"mg a\r\n", "EN\r\n"},
        {"md a x\r\n", "NF\r\n"},
        {"md a I\r\n", "NF\r\n"},
    });
}

TEST(CommandMetaDeleteTest, DroppingTheValueKeepsAnEmptyItemAndItsCas) {
    CommandServer server;
    server.expect({
        {"ms a 2 E100 F7 T90\r\nab\r\n", "HD\r\n"},
        {"md a x\r\n", "HD\r\n"},
        {"mg a v f t c s\r\n", "VA 0 f0 t-1 c100 s0\r\n\r\n"},
        {"md a x F6\r\n", "HD\r\n"},
        {"mg a f s\r\n", "HD f6 s0\r\n"},
        {"md a x T30 E101\r\n", "HD\r\n"},
        {"mg a t c\r\n", "HD t30 c101\r\n"},
    });
}

TEST(CommandMetaDeleteTest, StaleItemsAreHandedOutWithOneWinToken) {
    CommandServer server;
    server.expect({
        {"ms a 2 F7 T90\r\nab\r\n", "HD\r\n"},
        {"md a I\r\n", "HD\r\n"},
        {"mg a v f t s\r\n", "VA 2 f7 t90 s2 X W\r\nab\r\n"},
        {"mg a v\r\n", "VA 2 Z X\r\nab\r\n"},
        {"md a I T30\r\n", "HD\r\n"},  // the token is to be won again
        {"mg a t\r\n", "HD t30 X W\r\n"},
        {"md a I x E300 T10\r\n", "HD\r\n"},
        {"mg a v f t c s\r\n", "VA 0 f0 t10 c300 s0 X W\r\n\r\n"},
        {"get a\r\n", "VALUE a 0 0\r\n\r\nEND\r\n"},
        {"set a 0 0 1\r\ny\r\n", "STORED\r\n"},  // a store makes it fresh
        {"mg a v\r\n", "VA 1\r\ny\r\n"},
    });
}

TEST(CommandMetaDeleteTest, MarkingStaleMakesAnewAndLargerCas) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    const auto cas = [&server] { return std::stoull(server.ask("mg a c\r\n").substr(4)); };
    const auto before = cas();
    server.expect({{"md a I\r\n", "HD\r\n"}});
    EXPECT_GT(cas(), before);
}

}  // namespace
}  // namespace shardmill::engine
