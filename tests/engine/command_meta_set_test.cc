#include <gtest/gtest.h>

#include <string>

#include "command_server.h"

namespace shardmill::engine {
namespace {

TEST(CommandMetaSetTest, ModesAnswerHdOrNs) {
    CommandServer server;
    server.expect({
        {"ms a 1 MR k s c\r\n1\r\n", "NS ka s1 c0\r\n"},
        {"ms a 1 MA k\r\n1\r\n", "NS ka\r\n"},
        {"ms a 1 MP\r\n1\r\n", "NS\r\n"},
        {"ms a 1 ME c E7\r\n1\r\n", "HD c7\r\n"},
        {"ms a 1 ME\r\n2\r\n", "NS\r\n"},
        {"ms a 1 MR s\r\n3\r\n", "HD s1\r\n"},
        {"ms a 2 MA s\r\n45\r\n", "HD s3\r\n"},
        {"ms a 2 MP s k O9\r\n12\r\n", "HD s5 ka O9\r\n"},
        {"mg a v\r\n", "VA 5\r\n12345\r\n"},
        {"ms a 0 MS F9 T60 s\r\n\r\n", "HD s0\r\n"},
        {"mg a f t s\r\n", "HD f9 t60 s0\r\n"},
        {"ms a 1 MX\r\n1\r\n", "CLIENT_ERROR invalid mode for ms M token\r\n"},
    });
}

TEST(CommandMetaSetTest, QuietHidesOnlyHd) {
    CommandServer server;
    server.expect({
        {"ms a 1 q c k\r\n1\r\n", ""},
        {"ms a 1 q ME k\r\n1\r\n", "NS ka\r\n"},
        {"ms a 1 q C5\r\n1\r\n", "EX\r\n"},
        {"ms b 1 q C5\r\n1\r\n", "NF\r\n"},
    });
}

TEST(CommandMetaSetTest, ComparesTheCas) {
    CommandServer server;
    server.expect({
        {"ms a 2 C7 c s k\r\nzz\r\n", "NF c0 s2 ka\r\n"},
        {"ms a 2 MR C7\r\nzz\r\n", "NF\r\n"},
        {"ms a 2 MA C7\r\nzz\r\n", "NS\r\n"},
        {"ms a 2 ME C7 E9\r\nzz\r\n", "HD\r\n"},  // an add needs nothing to compare with
        {"ms a 2 C8 c\r\nyy\r\n", "EX c0\r\n"},
        {"ms a 2 C0\r\nyy\r\n", "EX\r\n"},
        {"ms a 2 MA C8\r\nyy\r\n", "EX\r\n"},
        {"ms a 2 MA C9 c s E10\r\nyy\r\n", "HD c10 s4\r\n"},
        {"ms a 2 MP C0 E11\r\nxx\r\n", "HD\r\n"},  // 0: nothing to compare
        {"ms a 2 MR C11 E12 c\r\nww\r\n", "HD c12\r\n"},
        {"ms a 2 C12 E13 c\r\nvv\r\n", "HD c13\r\n"},
        {"mg a v c\r\n", "VA 2 c13\r\nvv\r\n"},
    });
}

TEST(CommandMetaSetTest, AnOlderCasStoresAStaleItem) {
    CommandServer server;
    server.expect({
        {"ms a 1 E100 T50\r\nx\r\n", "HD\r\n"},
        {"ms a 2 C99 c s T9 E200\r\nyy\r\n", "EX c0 s2\r\n"},  // not without I
        {"ms a 2 C99 I c k s T9 E200\r\nyy\r\n", "HD c200 ka s2\r\n"},
        {"mg a v c t s f\r\n", "VA 2 c200 t50 s2 f0 X W\r\nyy\r\n"},  // deadline kept
        {"ms a 2 C199 I E300\r\nzz\r\n", "HD\r\n"},
        {"mg a v c\r\n", "VA 2 c300 Z X\r\nzz\r\n"},  // token still out
        {"ms a 2 C301 I c\r\nzz\r\n", "EX c0\r\n"},
        {"ms a 2 C300 I E400\r\nzz\r\n", "HD\r\n"},  // a match is a normal store
        {"mg a c\r\n", "HD c400\r\n"},
        {"ms a 2 I\r\nzz\r\n", "HD\r\n"},
        {"mg a\r\n", "HD\r\n"},
    });
}

TEST(CommandMetaSetTest, AppendCanMakeTheItem) {
    CommandServer server;
    server.expect({
        {"ms a 2 MA N30 T99 c E31 k O1 s\r\nxy\r\n", "HD c31 ka O1 s2\r\n"},
        {"mg a s t v\r\n", "VA 2 s2 t30\r\nxy\r\n"},
        {"ms a 1 MP N40 s\r\n-\r\n", "HD s3\r\n"},
        {"mg a t v\r\n", "VA 3 t30\r\n-xy\r\n"},
    });
}

TEST(CommandMetaSetTest, NegativeDeadlinesHaveAlreadyPassed) {
    CommandServer server;
    server.expect({
        {"ms a 1 T-1\r\nx\r\n", "HD\r\n"},
        {"mg a\r\n", "EN\r\n"},
        {"ms a 1 T0\r\nx\r\n", "HD\r\n"},
        {"mg a t\r\n", "HD t-1\r\n"},
    });
}

TEST(CommandMetaArithmeticTest, AnswersHdOrTheNumber) {
    CommandServer server;
    server.expect({
        {"ma n\r\n", "NF\r\n"},
        {"ma n q k O3\r\n", "NF kn O3\r\n"},
        {"set n 0 30 2\r\n14\r\n", "STORED\r\n"},
        {"ma n\r\n", "HD\r\n"},
        {"ma n v\r\n", "VA 2\r\n16\r\n"},
        {"ma n v D10 MI\r\n", "VA 2\r\n26\r\n"},
        {"ma n M+ v\r\n", "VA 2\r\n27\r\n"},
        {"ma n M- v D3\r\n", "VA 2\r\n24\r\n"},
        {"ma n MD D100 v t k O1\r\n", "VA 1 t30 kn O1\r\n0\r\n"},
        {"mg n v\r\n", "VA 2\r\n0 \r\n"},
        {"ma n q v\r\n", ""},
        {"ma n v\r\n", "VA 1\r\n2\r\n"},
        {"ma n MX\r\n", "CLIENT_ERROR invalid mode for ma M token\r\n"},
        {"ma n n\r\n", "CLIENT_ERROR invalid or duplicate flag\r\n"},
        {"ma n Dx\r\n", "CLIENT_ERROR invalid or duplicate flag\r\n"},
    });
}

TEST(CommandMetaArithmeticTest, MakesMissingNumbers) {
    CommandServer server;
    server.expect({
        {"ma n N30 J5 D9 v t c E8\r\n", "VA 1 t30 c8\r\n5\r\n"},
        {"mg n v t c\r\n", "VA 1 t30 c8\r\n5\r\n"},
        {"ma n N90 J5 v\r\n", "VA 1\r\n6\r\n"},
        {"mg n t\r\n", "HD t30\r\n"},
        {"ma m N0\r\n", "HD\r\n"},
        {"mg m v t\r\n", "VA 1 t-1\r\n0\r\n"},
        {"ma o N20 T30 t\r\n", "HD t30\r\n"},
        {"mg o t\r\n", "HD t30\r\n"},
    });
}

TEST(CommandMetaArithmeticTest, TouchesAndCompares) {
    CommandServer server;
    server.expect({
        {"ms n 1 E900\r\n5\r\n", "HD\r\n"},
        {"ma n C1\r\n", "EX\r\n"},
        {"ma n C1 q k\r\n", "EX kn\r\n"},
        {"ma n C900 E901 c v\r\n", "VA 1 c901\r\n6\r\n"},
        {"ma n C0 E902 c v\r\n", "VA 1 c902\r\n7\r\n"},
        {"ma n t T60\r\n", "HD t-1\r\n"},
        {"ma n T90 t\r\n", "HD t90\r\n"},
        {"mg n v t\r\n", "VA 1 t90\r\n9\r\n"},
        {"set x 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"ma x q\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
        {"ma x C1\r\n", "EX\r\n"},
    });
    EXPECT_EQ(server.stat("incr_hits"), 4u);
}

TEST(CommandMetaArithmeticTest, EveryChangeMakesANewCas) {
    CommandServer server;
    server.ask("set n 0 0 1\r\n5\r\n");
    const std::string first = server.ask("mg n c\r\n");
    const std::string second = server.ask("ma n c\r\n");
    EXPECT_NE(first, second);
    EXPECT_EQ(server.ask("mg n c\r\n"), second);
}

}  // namespace
}  // namespace shardmill::engine
