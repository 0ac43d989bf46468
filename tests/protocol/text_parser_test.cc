#include "protocol/text_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/describe.h"

namespace shardmill::protocol {
namespace {

struct Case {
    std::string bytes;
    std::string parsed;
};

void expect_all(const std::vector<Case>& cases) {
    for (const Case& c : cases)
        EXPECT_EQ(parse_and_describe(c.bytes), c.parsed) << "for: " << c.bytes;
}

const std::string kKey250(250, 'k');
const std::string kKey251(251, 'k');
const std::string kBadLine = "Invalid 'CLIENT_ERROR bad command line format'";
const std::string kSilent = "Invalid ''";
const std::string kError = "Invalid 'ERROR'";
const std::string kBadExptime = "Invalid 'CLIENT_ERROR invalid exptime argument'";

TEST(TextParserTest, ReadsRetrievalCommands) {
    expect_all({
        {"get a\r\n", "Get key=a"},
        {"get a\n", "Get key=a"},
        {"get  a   b c \r\n", "Get key=a,b,c"},
        {"gets a a\r\n", "Gets key=a,a"},
        {"get a noreply\r\n", "Get key=a,noreply"},
        {"get a\tb\r\n", "Get key=a\tb"},
        {"get a\rb\r\n", "Get key=a\rb"},
        {std::string("get a\0b\r\n", 9), std::string("Get key=a\0b", 11)},
        {"get a\r\nget b\r\n", "Get key=a left=7"},
        {"gat 10 a b\r\n", "Gat key=a,b exptime=10"},
        {"gats -1 a\r\n", "Gats key=a exptime=-1"},
        {"get " + kKey250 + " " + kKey250 + "\r\n", "Get key=" + kKey250 + "," + kKey250},
    });
}

TEST(TextParserTest, RefusesRetrievalCommandsWithoutKeyOrWithABadExptime) {
    expect_all({
        {"get\r\n", kBadLine},
        {"get \r\n", kBadLine},
        {"gets\r\n", kBadLine},
        {"gat\r\n", kBadLine},
        {"gat 10\r\n", kBadLine},
        {"gat 10 \r\n", kBadLine},
        {"gat x\r\n", kBadLine},
        {"gat x a\r\n", kBadExptime},
        {"gat 2147483648 a\r\n", kBadExptime},
        {"gat +5 a\r\n", kBadExptime},
    });
}

TEST(TextParserTest, RejectsKeyOverLimitInAnyPosition) {
    expect_all({
        {"get " + kKey251 + "\r\n", kBadLine},
        {"get a " + kKey251 + "\r\n", kBadLine},
        {"get " + kKey251 + " a\r\n", kBadLine},
        {"gets a b " + kKey251 + " c\r\n", kBadLine},
        {"gat 0 a " + kKey251 + "\r\n", kBadLine},
        {"get " + std::string(100, ' ') + kKey251 + "\r\n", kBadLine},
    });
}

TEST(TextParserTest, FindsAKeyOverLimitWhereverItStandsAmongManyKeys) {
    std::vector<std::string> keys;
    for (std::size_t length = 1; length <= 250; length += 7)
        keys.push_back(std::string(length, 'k'));
    for (std::size_t place = 0; place < keys.size(); ++place) {
        std::string good = "get";
        std::string bad = "get";
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (i == place) {
                good += " " + kKey250;
                bad += " " + kKey251;
            }
            good += " " + keys[i];
            bad += " " + keys[i];
        }
        EXPECT_TRUE(parse_and_describe(good + "\r\n").starts_with("Get key=")) << place;
        EXPECT_EQ(parse_and_describe(bad + "\r\n"), kBadLine) << place;
    }
}

TEST(TextParserTest, ReadsStorageCommands) {
    expect_all({
        {"set k 1 2 3\r\nabc\r\n", "Set key=k flags=1 exptime=2 bytes=3 value='abc'"},
        {"set k 1 2 3\nabc\r\n", "Set key=k flags=1 exptime=2 bytes=3 value='abc'"},
        {"add k 0 0 0\r\n\r\n", "Add key=k flags=0 exptime=0 bytes=0 value=''"},
        {"replace k 0 -1 1 noreply\r\nx\r\n",
         "Replace key=k flags=0 exptime=-1 bytes=1 value='x' noreply"},
        {"append k 0 0 1\r\nx\r\nget k\r\n",
         "Append key=k flags=0 exptime=0 bytes=1 value='x' left=7"},
        {"prepend  k  0  0  1  \r\nx\r\n", "Prepend key=k flags=0 exptime=0 bytes=1 value='x'"},
        {"cas k 0 0 1 18446744073709551615\r\nx\r\n",
         "Cas key=k flags=0 exptime=0 cas=18446744073709551615 bytes=1 value='x'"},
        {"cas k 0 0 1 7 noreply\r\nx\r\n",
         "Cas key=k flags=0 exptime=0 cas=7 bytes=1 value='x' noreply"},
        {"cas k 0 0 1 7 x\r\nx\r\n", "Cas key=k flags=0 exptime=0 cas=7 bytes=1 value='x'"},
        {"set " + kKey250 + " 0 0 1\r\nx\r\n",
         "Set key=" + kKey250 + " flags=0 exptime=0 bytes=1 value='x'"},
    });
}

TEST(TextParserTest, IgnoresFurtherTokens) {
    expect_all({
        {"set k 0 0 1 foo\r\nx\r\n", "Set key=k flags=0 exptime=0 bytes=1 value='x'"},
        {"set k 0 0 1 foo noreply\r\nx\r\n",
         "Set key=k flags=0 exptime=0 bytes=1 value='x' noreply"},
        {"set k 0 0 1 noreply foo\r\nx\r\n", "Set key=k flags=0 exptime=0 bytes=1 value='x'"},
        {"set k 0 0 1 noreplyx\r\nx\r\n", "Set key=k flags=0 exptime=0 bytes=1 value='x'"},
        {"touch k 10 x y\r\n", "Touch key=k exptime=10"},
        {"delete k a b\r\n", "Delete key=k"},
        {"incr k 1 x\r\n", "Incr key=k delta=1"},
        {"version x\r\n", "Version"},
        {"quit now\r\n", "Quit"},
        {"mn x y\r\n", "MetaNoop"},
    });
}

TEST(TextParserTest, TakesTheTwentyThirdTokenForTheLast) {
    std::string line = "set k 0 0 1";
    for (int i = 5; i < 22; ++i) line += " x";
    EXPECT_EQ(parse_and_describe(line + " noreply x\r\nv\r\n"),
              "Set key=k flags=0 exptime=0 bytes=1 value='v' noreply");
    EXPECT_EQ(parse_and_describe(line + " x noreply\r\nv\r\n"),
              "Set key=k flags=0 exptime=0 bytes=1 value='v'");
}

TEST(TextParserTest, ReadsStorageFlagsAndExptimeAsLenientlyAsMemcached) {
    expect_all({
        {"set k 4294967295 2147483647 1\r\nx\r\n",
         "Set key=k flags=4294967295 exptime=2147483647 bytes=1 value='x'"},
        {"set k 4294967296 4294967297 1\r\nx\r\n", "Set key=k flags=0 exptime=1 bytes=1 value='x'"},
        {"set k +5 +6 1\r\nx\r\n", "Set key=k flags=5 exptime=6 bytes=1 value='x'"},
        {"set k 5\tz 6\tz 1\r\nx\r\n", "Set key=k flags=5 exptime=6 bytes=1 value='x'"},
        {"set k -0 -2147483648 1\r\nx\r\n",
         "Set key=k flags=0 exptime=-2147483648 bytes=1 value='x'"},
    });
}

TEST(TextParserTest, RefusesAStorageLineWithoutLengthAndSwallowsNothing) {
    expect_all({
        {"set k 0 0\r\nabc\r\n", kBadLine + " left=5"},
        {"set\r\n", kBadLine},
        {"set k 0 0 noreply\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 -1\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 -1 noreply\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 3x\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 +3\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 2147483646\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 2147483648\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 000000000003\r\nabc\r\n", kBadLine + " left=5"},
        {"set k 0 0 2147483645\r\nabc\r\n",
         "need value: Set key=k flags=0 exptime=0 bytes=2147483645 left=5"},
    });
}

TEST(TextParserTest, SwallowsTheDataBlockOfARefusedStorageCommand) {
    expect_all({
        {"set k x 0 3\r\nabc\r\nget a\r\n", kBadLine + " left=7"},
        {"set k 0 x 3\r\nabc\r\n", kBadLine},
        {"set k -1 0 3\r\nabc\r\n", kBadLine},
        {"set k 18446744073709551616 0 3\r\nabc\r\n", kBadLine},
        {"set k 0 9223372036854775808 3\r\nabc\r\n", kBadLine},
        {"set " + kKey251 + " 0 0 3\r\nabc\r\n", kBadLine},
        {"set " + kKey251 + " 0 0 3\r\nab", kBadLine + " swallow=3"},
        {"set " + kKey251 + " 0 0 3\r\n", kBadLine + " swallow=5"},
        {"set " + kKey251 + " 0 0 2147483645\r\n", kBadLine + " swallow=2147483647"},
        {"set " + kKey251 + " 0 0 3 noreply\r\nabc\r\n", kSilent},
        {"cas k 0 0 3\r\nabc\r\n", kBadLine},
        {"cas k 0 0 3 x\r\nabc\r\n", kBadLine},
        {"cas k 0 0 3 -1\r\nabc\r\n", kBadLine},
        {"cas k 0 0 3 noreply\r\nabc\r\n", kSilent},
        {"cas k 0 0 3 18446744073709551616\r\nabc\r\n", kBadLine},
    });
}

TEST(TextParserTest, TakesExactlyTheAnnouncedBlockEvenIfItDoesNotEndInALineEnd) {
    expect_all({
        {"set k 0 0 1\r\nxx\r\n", "Set key=k flags=0 exptime=0 bytes=1 value='x' bad-chunk left=1"},
        {"set k 0 0 3\r\nab\r\n\r\n",
         "Set key=k flags=0 exptime=0 bytes=3 value='ab\r' bad-chunk left=1"},
        {"set k 0 0 1 noreply\r\nxyz",
         "Set key=k flags=0 exptime=0 bytes=1 value='x' bad-chunk noreply"},
        {"set k 0 0 1\r\nxy\n", "Set key=k flags=0 exptime=0 bytes=1 value='x' bad-chunk"},
        {"set k 0 0 1\r\nx\ry", "Set key=k flags=0 exptime=0 bytes=1 value='x' bad-chunk"},
        {"set k 0 0 1\r\nx\n\r", "Set key=k flags=0 exptime=0 bytes=1 value='x' bad-chunk"},
    });
}

TEST(TextParserTest, AsksForTheValueWhenOnlyTheLineIsComplete) {
    expect_all({
        {"set k 0 0 3\r\n", "need value: Set key=k flags=0 exptime=0 bytes=3"},
        {"set k 0 0 3\r\nabc\r", "need value: Set key=k flags=0 exptime=0 bytes=3 left=4"},
        {"set k 0 0 3 noreply\r\na",
         "need value: Set key=k flags=0 exptime=0 bytes=3 noreply left=1"},
    });
}

TEST(TextParserTest, FinishesAValueThatWasReceivedElsewhere) {
    const std::string line = "set k 0 0 3\r\n";
    Request request;
    ASSERT_EQ(parse_text(line, request).status, ParseStatus::NeedValue);
    finish_value(request, "\r\n");
    EXPECT_FALSE(request.bad_data_chunk);
    for (const char* terminator : {"\n\r", "ab", "\r", ""}) {
        finish_value(request, terminator);
        EXPECT_TRUE(request.bad_data_chunk) << terminator;
    }
    EXPECT_EQ(request.value, "");
}

TEST(TextParserTest, ReadsDeleteWithAHoldTimeAndNoreplyAtMost) {
    expect_all({
        {"delete k\r\n", "Delete key=k"},
        {"delete k 0\r\n", "Delete key=k"},
        {"delete k 10 noreply\r\n", "Delete key=k noreply"},
        {"delete k a b c\r\n", kBadLine},
        {"delete noreply\r\n", "Delete key=noreply noreply"},
        {"delete\r\n", kBadLine},
        {"delete " + kKey251 + "\r\n", kBadLine},
        {"delete " + kKey251 + " noreply\r\n", kSilent},
    });
}

TEST(TextParserTest, ReadsArithmetic) {
    const std::string bad_delta = "Invalid 'CLIENT_ERROR invalid numeric delta argument'";
    expect_all({
        {"incr k 1\r\n", "Incr key=k delta=1"},
        {"decr k 18446744073709551615 noreply\r\n",
         "Decr key=k delta=18446744073709551615 noreply"},
        {"incr k 0000000000000000000001\r\n", "Incr key=k delta=1"},
        {"incr k 00000000000000000000001\r\n", bad_delta},
        {"incr k 18446744073709551616\r\n", bad_delta},
        {"incr k -1\r\n", bad_delta},
        {"incr k 1x\r\n", bad_delta},
        {"incr k noreply\r\n", kSilent},
        {"incr k x noreply\r\n", kSilent},
        {"incr k\r\n", kBadLine},
        {"incr noreply\r\n", kBadLine},
        {"incr " + kKey251 + " 1\r\n", kBadLine},
        {"decr " + kKey251 + " 1 noreply\r\n", kSilent},
    });
}

TEST(TextParserTest, ReadsTouch) {
    expect_all({
        {"touch k 10\r\n", "Touch key=k exptime=10"},
        {"touch k -1 noreply\r\n", "Touch key=k exptime=-1 noreply"},
        {"touch k -\r\n", "Touch key=k exptime=0"},
        {"touch k 2147483647\r\n", "Touch key=k exptime=2147483647"},
        {"touch k -2147483648\r\n", "Touch key=k exptime=-2147483648"},
        {"touch k 2147483648\r\n", kBadExptime},
        {"touch k -2147483649\r\n", kBadExptime},
        {"touch k 1.5\r\n", kBadExptime},
        {"touch k x noreply\r\n", kSilent},
        {"touch k noreply\r\n", kSilent},
        {"touch k\r\n", kBadLine},
        {"touch " + kKey251 + " 1\r\n", kBadLine},
    });
}

TEST(TextParserTest, ReadsAdministration) {
    expect_all({
        {"flush_all\r\n", "FlushAll exptime=0"},
        {"flush_all noreply\r\n", "FlushAll exptime=0 noreply"},
        {"flush_all 10\r\n", "FlushAll exptime=10"},
        {"flush_all 10 noreply\r\n", "FlushAll exptime=10 noreply"},
        {"flush_all -1\r\n", "FlushAll exptime=-1"},
        {"flush_all x\r\n", "FlushAll 'CLIENT_ERROR invalid exptime argument'"},
        {"flush_all x noreply\r\n", "FlushAll 'CLIENT_ERROR invalid exptime argument' noreply"},
        {"flush_all noreply noreply\r\n",
         "FlushAll 'CLIENT_ERROR invalid exptime argument' noreply"},
        {" flush_all\r\n", "FlushAll exptime=0"},
        {"verbosity 1\r\n", "Verbosity level=1"},
        {"verbosity 4294967295 noreply\r\n", "Verbosity level=4294967295 noreply"},
        {"verbosity\r\n", kBadLine},
        {"verbosity x\r\n", kBadLine},
        {"verbosity 4294967296\r\n", kBadLine},
        {"verbosity noreply\r\n", kSilent},
        {"stats\r\n", "Stats arguments=''"},
        {"stats  items  all \r\n", "Stats arguments='items  all'"},
        {"stats noreply\r\n", "Stats arguments='noreply'"},
        {"shutdown\r\n", "Shutdown arguments=''"},
        {"shutdown graceful\r\n", "Shutdown arguments='graceful'"},
        {"shutdown noreply\r\n", "Shutdown arguments='' noreply"},
        {"cache_memlimit 128\r\n", "CacheMemlimit arguments='128'"},
        {"cache_memlimit 128 noreply\r\n", "CacheMemlimit arguments='128' noreply"},
        {"slabs automove  1 \r\n", "Slabs arguments='automove  1'"},
        {"lru mode flat\r\n", "Lru arguments='mode flat'"},
        {"lru_crawler\r\n", "LruCrawler arguments=''"},
        {"extstore item_age 5\r\n", "Extstore arguments='item_age 5'"},
        {"refresh_certs\r\n", "RefreshCerts arguments=''"},
        {"watch fetchers\r\n", "Watch arguments='fetchers'"},
        {"version\r\n", "Version"},
        {"quit\r\n", "Quit"},
    });
}

TEST(TextParserTest, ReadsTheExtensions) {
    const std::string bad_length = "Invalid 'CLIENT_ERROR bad payload length'";
    expect_all({
        {"batch list\r\n", "Batch arguments='list' payload=''"},
        {"batch\r\n", "Batch arguments='' payload=''"},
        {"batch run by:$.a|agg:count prefix=x: \r\n",
         "Batch arguments='run by:$.a|agg:count prefix=x:' payload=''"},
        {"batch run - payload=5\r\na|b c\r\nget a\r\n",
         "Batch arguments='run - payload=5' payload='a|b c' left=7"},
        {"batch run - payload=0 name=x\r\n\r\n",
         "Batch arguments='run - payload=0 name=x' payload=''"},
        {"batch run where:$.payload=5\r\n", "Batch arguments='run where:$.payload=5' payload=''"},
        {"batch run - payload=5\r\na|b", "need more 30"},
        {"batch run - payload=5\r\nabcdefg", "Invalid 'CLIENT_ERROR bad data chunk'"},
        {"batch run - payload=\r\n", bad_length},
        {"batch run - payload=x\r\n", bad_length},
        {"batch run - payload=-1\r\n", bad_length},
        {"batch run - payload=2147483646\r\n", bad_length},
        {"batch run - payload=65537\r\nabc",
         "Invalid 'CLIENT_ERROR payload over 65536 bytes' swallow=65536"},
        {"batch run - payload=65536\r\nabc", "need more 65565"},
        {"snapshot save now\r\n", "Snapshot arguments='save now'"},
        {"snapshot\r\n", "Snapshot arguments=''"},
    });
}

TEST(TextParserTest, AnswersErrorToWhatIsNoCommand) {
    expect_all({
        {"foo\r\n", kError},
        {"foo noreply\r\n", kSilent},
        {"noreply\r\n", kSilent},
        {"ab\r\n", kError},
        {"mx k\r\n", kError},
        {"GET a\r\n", kError},
        {" get a\r\n", kError},
        {" set a 0 0 1\r\nx\r\n", kError + " left=3"},
        {"    \r\n", kError},
        {"get\ta\r\n", kError},
        {"getx a\r\n", kError},
        {"ge a\r\n", kError},
        {"snapshots\r\n", kError},
        {"a_very_long_word_that_is_no_command\r\n", kError},
        {"verbosity2 1\r\n", kError},
        {std::string("get\0 a\r\n", 8), kError},
    });
}

TEST(TextParserTest, AnswersAClientErrorToALineOfLessThanFourBytes) {
    for (const char* bytes : {"\r\n", "\n", "a\r\n", " \n", "mn\n", "ab\n", "  \n"}) {
        EXPECT_EQ(parse_and_describe(bytes), kBadLine) << bytes;
    }
}

TEST(TextParserTest, ClosesOnHttp) {
    expect_all({
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "close"},
        {"x HTTP/\r\n", "close"},
        {"HTTP/1.1\r\n", kError},
        {"GET / HTTP/1.1 x\r\n", kError},
        {"get HTTP/1.1\r\n", "Get key=HTTP/1.1"},
    });
}

TEST(TextParserTest, ClosesOnALineOverTheLimitThatIsNoGet) {
    const std::string at_limit(kMaxLineBytes, 'x');
    const std::string keys(kMaxLineBytes, 'k');
    expect_all({
        {"", "need more"},
        {"ge", "need more"},
        {at_limit, "need more"},
        {at_limit + "x", "close"},
        {"get " + keys, "need more"},
        {"gets " + keys, "need more"},
        {"gat 1 " + keys, "close"},
        {"getx " + keys, "close"},
        {std::string(100, ' ') + "get " + keys, "need more"},
        {std::string(101, ' ') + "get " + keys, "close"},
        {std::string(3000, ' '), "close"},
        // With its end in sight a line may be of any length.
        {at_limit + at_limit + "\r\n", kError},
    });
}

TEST(TextParserTest, ReadsAGetOfAnyNumberOfKeys) {
    std::string line = "get";
    std::string parsed = "Get key=";
    for (int i = 0; i < 10'000; ++i) {
        line += " key" + std::to_string(i);
        parsed += (i == 0 ? "key" : ",key") + std::to_string(i);
    }
    EXPECT_EQ(parse_and_describe(line + "\r\n"), parsed);
}

TEST(TextParserTest, KnowsEveryWordItLists) {
    EXPECT_EQ(command_words().size(), 35u);
    for (const std::string_view word : command_words()) {
        EXPECT_NE(parse_and_describe(std::string(word) + " k 0 0 0\r\n\r\n"), kError + " left=2")
            << word;
    }
}

TEST(TextParserTest, DefersOnlyWhatAnotherThreadAnswers) {
    EXPECT_TRUE(may_defer(Verb::Batch));
    EXPECT_TRUE(may_defer(Verb::Snapshot));
    EXPECT_TRUE(may_defer(Verb::Stats));
    EXPECT_FALSE(may_defer(Verb::Get));
    EXPECT_FALSE(may_defer(Verb::Invalid));
}

}  // namespace
}  // namespace shardmill::protocol
