#include <gtest/gtest.h>

#include <string>

#include "command_server.h"

namespace shardmill::engine {
namespace {

TEST(CommandMetaGetTest, ReturnsFlagsInRequestOrder) {
    CommandServer server;
    server.expect({
        {"ms a 3 E12 F5\r\nabc\r\n", "HD\r\n"},
        {"mg a\r\n", "HD\r\n"},
        {"mg a v\r\n", "VA 3\r\nabc\r\n"},
        {"mg a s v t f k Oxx c\r\n", "VA 3 s3 t-1 f5 ka Oxx c12\r\nabc\r\n"},
        {"mg a c Oxx k f t s\r\n", "HD c12 Oxx ka f5 t-1 s3\r\n"},
        {"mg nope s v t f k Oxx c\r\n", "EN knope Oxx\r\n"},
        {"mg nope k q\r\n", ""},
        {"mg a k q\r\n", "HD ka\r\n"},
    });
}

TEST(CommandMetaGetTest, AMatchingCasSparesTheValue) {
    CommandServer server;
    server.expect({
        {"ms a 3 E12\r\nabc\r\n", "HD\r\n"},
        {"mg a C12 v c\r\n", "HD c12\r\n"},
        {"mg a C12 v T60 s\r\n", "HD s3\r\n"},
        {"mg a C13 v c t\r\n", "VA 3 c12 t60\r\nabc\r\n"},
    });
}

TEST(CommandMetaGetTest, HitAndIdleAreThoseBeforeTheAccess) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    server.pass_time(7);
    server.expect({
        {"mg a u h l\r\n", "HD h0 l7\r\n"},  // u leaves no trace
        {"mg a h l\r\n", "HD h0 l7\r\n"},
        {"mg a h l\r\n", "HD h1 l0\r\n"},
    });
    server.pass_time(3);
    server.expect({{"mg a l h\r\n", "HD l3 h1\r\n"}, {"set a 0 0 1\r\ny\r\n", "STORED\r\n"}});
    server.expect({{"mg a h\r\n", "HD h0\r\n"}});
}

TEST(CommandMetaGetTest, RemainingTimeIsAsOfItsPlaceAmongTheFlags) {
    CommandServer server;
    server.expect({
        {"set a 0 10 1\r\nx\r\n", "STORED\r\n"},
        {"mg a t T60\r\n", "HD t10\r\n"},
        {"mg a T90 t\r\n", "HD t90\r\n"},
        {"mg a T0 t\r\n", "HD t-1\r\n"},
        {"mg a T-1 v\r\n", "VA 1\r\nx\r\n"},  // gone after this
        {"mg a v\r\n", "EN\r\n"},
        {"mg a T60\r\n", "EN\r\n"},
    });
}

TEST(CommandMetaGetTest, VivifyMakesOneStubAndOneWinner) {
    CommandServer server;
    server.expect({
        {"mg a N30 v s t c f h l k Oabc E55\r\n", "VA 0 s0 t30 c55 f0 h0 l0 ka Oabc W\r\n\r\n"},
        {"mg a v\r\n", "VA 0 Z\r\n\r\n"},
        {"mg a N30\r\n", "HD Z\r\n"},
        {"get a\r\n", "VALUE a 0 0\r\n\r\nEND\r\n"},
        {"add a 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
        {"set a 0 0 1\r\ny\r\n", "STORED\r\n"},
        {"mg a N30 v t\r\n", "VA 1 t-1\r\ny\r\n"},
        {"mg b q N30 k\r\n", "HD kb W\r\n"},
        {"mg b q k\r\n", "HD kb Z\r\n"},
        {"mg c N20 t T30\r\n", "HD t20 W\r\n"},
        {"mg c t\r\n", "HD t30 Z\r\n"},
    });
    server.pass_time(30);
    server.expect({{"mg b\r\n", "EN\r\n"}});
}

TEST(CommandMetaGetTest, RecacheIsWonOnceNearTheDeadline) {
    CommandServer server;
    server.expect({
        {"set a 0 20 1\r\ny\r\n", "STORED\r\n"},
        {"mg a R10 t\r\n", "HD t20\r\n"},
        {"mg a R30 t\r\n", "HD t20 W\r\n"},
        {"mg a R30 t\r\n", "HD t20 Z\r\n"},
        {"mg a\r\n", "HD Z\r\n"},
        {"set a 0 0 1\r\ny\r\n", "STORED\r\n"},
        {"mg a R30\r\n", "HD\r\n"},  // an item without a deadline is never near it
        {"set a 0 10 1\r\ny\r\n", "STORED\r\n"},
        {"mg a T100 R30\r\n", "HD\r\n"},
        {"set a 0 10 1\r\ny\r\n", "STORED\r\n"},
        {"mg a R30 T100\r\n", "HD W\r\n"},
        {"mg a t\r\n", "HD t100 Z\r\n"},
    });
}

TEST(CommandMetaGetTest, WinningAndTouchingKeepTheShownCas) {
    CommandServer server;
    server.ask("set a 0 20 1\r\ny\r\n");
    const std::string shown = server.ask("mg a c\r\n");
    const std::string cas = shown.substr(2, shown.size() - 4);
    server.expect({
        {"mg a R30 T60 c\r\n", "HD" + cas + " W\r\n"},
        {"gat 0 a\r\n", "VALUE a 0 1\r\ny\r\nEND\r\n"},
        {"mg a c\r\n", "HD" + cas + " Z\r\n"},
    });
}

TEST(CommandMetaGetTest, BinaryKeysAreReturnedAsStored) {
    CommandServer server;
    server.expect({
        {"ms YWI= 2 b\r\nhi\r\n", "HD\r\n"},
        {"mg ab k v\r\n", "VA 2 kYWI= b\r\nhi\r\n"},
        {"mg YWI= b v\r\n", "VA 2\r\nhi\r\n"},
        {"get ab\r\n", "VALUE ab 0 2\r\nhi\r\nEND\r\n"},
        {"touch ab 60\r\n", "TOUCHED\r\n"},
        {"append ab 0 0 1\r\n!\r\n", "STORED\r\n"},
        {"mg ab k\r\n", "HD kYWI= b\r\n"},
        {"mg enp6 b k O1\r\n", "EN kenp6 b O1\r\n"},
        {"mg YWJj b N30 k\r\n", "HD kabc W\r\n"},  // a stub is not marked
        {"mg a b\r\n", "CLIENT_ERROR error decoding key\r\n"},
    });
}

TEST(CommandMetaGetTest, CountsTouchingHitsAsTouches) {
    CommandServer server;
    server.ask("set a 0 0 1\r\nx\r\n");
    server.ask("mg a\r\nmg a T0 v\r\nmg nope\r\nmg nope T30\r\nmg viv N30\r\nmg viv2 N30 T40\r\n");
    EXPECT_EQ(server.stat("cmd_get"), 4u);
    EXPECT_EQ(server.stat("get_hits"), 2u);
    EXPECT_EQ(server.stat("get_misses"), 2u);
    EXPECT_EQ(server.stat("cmd_touch"), 2u);
    EXPECT_EQ(server.stat("touch_hits"), 2u);
}

TEST(CommandMetaDebugTest, DescribesAnItemWithoutTouchingIt) {
    CommandServer server;
    server.ask("ms a 3 E12 F5 T60\r\nabc\r\n");
    server.pass_time(4);
    server.expect({
        {"me a\r\n", "ME a exp=56 la=4 cas=12 fetch=no cls=1 size=67\r\n"},
        {"mg a h l\r\n", "HD h0 l4\r\n"},
        {"me a\r\n", "ME a exp=56 la=0 cas=12 fetch=yes cls=1 size=67\r\n"},
        {"me nope\r\n", "EN\r\n"},
        {"ms b 1 E1\r\n1\r\n", "HD\r\n"},
        {"me b\r\n", "ME b exp=-1 la=0 cas=1 fetch=no cls=1 size=61\r\n"},
    });
    EXPECT_EQ(server.stat("cmd_meta"), 4u);
}

}  // namespace
}  // namespace shardmill::engine
