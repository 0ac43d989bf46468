#include <gtest/gtest.h>

#include <string>

#include "command_server.h"

namespace shardmill::engine {
namespace {

TEST(CommandGetTest, AnswersHitsInRequestOrderAndSkipsMisses) {
    CommandServer server;
    server.expect({
        {"set a 5 0 3\r\nabc\r\n", "STORED\r\n"},
        {"set b 0 0 0\r\n\r\n", "STORED\r\n"},
        {"get a\r\n", "VALUE a 5 3\r\nabc\r\nEND\r\n"},
        {"get nope\r\n", "END\r\n"},
        {"get b nope a b\r\n",
         "VALUE b 0 0\r\n\r\nVALUE a 5 3\r\nabc\r\nVALUE b 0 0\r\n\r\nEND\r\n"},
    });
}

TEST(CommandGetTest, GetsShowsTheCasThatCasAccepts) {
    CommandServer server;
    server.expect({
        {"ms a 1 E77\r\nx\r\n", "HD\r\n"},
        {"gets a\r\n", "VALUE a 0 1 77\r\nx\r\nEND\r\n"},
        {"gets nope a\r\n", "VALUE a 0 1 77\r\nx\r\nEND\r\n"},
    });
    server.ask("set b 0 0 1\r\nx\r\n");
    const std::string shown = server.ask("gets b\r\n");
    const std::string cas = shown.substr(12, shown.find('\r') - 12);
    server.expect({
        {"touch b 100\r\n", "TOUCHED\r\n"},
        {"gets b\r\n", shown},  // reading and touching leave it alone
        {"cas b 0 0 1 " + cas + "\r\ny\r\n", "STORED\r\n"},
        {"cas b 0 0 1 " + cas + "\r\nz\r\n", "EXISTS\r\n"},
        {"get b\r\n", "VALUE b 0 1\r\ny\r\nEND\r\n"},
    });
}

TEST(CommandGetTest, GatSetsTheDeadlineOfEveryHit) {
    CommandServer server;
    server.expect({
        {"ms a 1 E5 T10\r\n1\r\n", "HD\r\n"},
        {"ms b 1 E6\r\n2\r\n", "HD\r\n"},
        {"gat 100 a nope b\r\n", "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n"},
        {"mg a t\r\n", "HD t100\r\n"},
        {"mg b t\r\n", "HD t100\r\n"},
        {"gats 0 a b\r\n", "VALUE a 0 1 5\r\n1\r\nVALUE b 0 1 6\r\n2\r\nEND\r\n"},
        {"mg a t\r\n", "HD t-1\r\n"},
        {"gat -1 a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"},
        {"get a\r\n", "END\r\n"},
        {"gat x b\r\n", "CLIENT_ERROR invalid exptime argument\r\n"},
    });
}

TEST(CommandGetTest, TouchChangesOnlyTheDeadline) {
    CommandServer server;
    server.expect({
        {"ms a 3 E9 F7\r\nabc\r\n", "HD\r\n"},
        {"touch a 100\r\n", "TOUCHED\r\n"},
        {"mg a t v f c\r\n", "VA 3 t100 f7 c9\r\nabc\r\n"},
        {"touch a 50 noreply\r\n", ""},
        {"mg a t\r\n", "HD t50\r\n"},
        {"touch nope 100\r\n", "NOT_FOUND\r\n"},
        {"touch nope 100 noreply\r\n", ""},
        {"touch a -1\r\n", "TOUCHED\r\n"},
        {"touch a 100\r\n", "NOT_FOUND\r\n"},
        {"touch a x\r\n", "CLIENT_ERROR invalid exptime argument\r\n"},
    });
}

TEST(CommandGetTest, ItemsExpireExactlyAtTheirDeadline) {
    CommandServer server;
    server.expect({{"set a 0 10 1\r\nx\r\n", "STORED\r\n"}});
    server.pass_time(9);
    server.expect({{"get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"}});
    server.pass_time(1);
    server.expect({{"get a\r\n", "END\r\n"}, {"add a 0 0 1\r\ny\r\n", "STORED\r\n"}});
}

TEST(CommandGetTest, CountsKeysAndNotCommands) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\nset e 0 1 1\r\nx\r\n");
    server.ask("get a nope a\r\ngat 0 a nope\r\ntouch a 0\r\ntouch nope 0\r\n");
    EXPECT_EQ(server.stat("cmd_get"), 3u);
    EXPECT_EQ(server.stat("get_hits"), 2u);
    EXPECT_EQ(server.stat("get_misses"), 1u);
    EXPECT_EQ(server.stat("cmd_touch"), 4u);
    EXPECT_EQ(server.stat("touch_hits"), 2u);
    EXPECT_EQ(server.stat("touch_misses"), 2u);
}

}  // namespace
}  // namespace shardmill::engine
