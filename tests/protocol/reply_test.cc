#include "protocol/reply.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace shardmill::protocol {
namespace {

template <typename Append>
std::string written(Append append) {
    std::string out = "before|";
    append(out);
    EXPECT_TRUE(out.starts_with("before|"));
    return out.substr(7);
}

TEST(ReplyTest, WritesValues) {
    EXPECT_EQ(written([](std::string& out) { append_value(out, "k", 0, "abc"); }),
              "VALUE k 0 3\r\nabc\r\n");
    EXPECT_EQ(written([](std::string& out) {
                  append_value(out, "k", 4294967295u, "", 18446744073709551615u);
              }),
              "VALUE k 4294967295 0 18446744073709551615\r\n\r\n");
    const std::string key(250, 'k');
    const std::string value(100'000, 'v');
    EXPECT_EQ(written([&](std::string& out) {
                  append_value(out, key, 4294967295u, value, 18446744073709551615u);
              }),
              "VALUE " + key + " 4294967295 100000 18446744073709551615\r\n" + value + "\r\n");
}

TEST(ReplyTest, WritesTheLineOfAValueSentFromElsewhere) {
    EXPECT_EQ(written([](std::string& out) { append_only_value(out, "key", 12, "abc"); }),
              "VALUE key 12 3\r\nabc\r\nEND\r\n");
    EXPECT_EQ(written([](std::string& out) { append_value_line(out, "k", 7, 4294967295u); }),
              "VALUE k 7 4294967295\r\n");
    EXPECT_EQ(written([](std::string& out) { append_value_line(out, "k", 7, 5, 0); }),
              "VALUE k 7 5 0\r\n");
}

TEST(ReplyTest, WritesNumbersAndStatistics) {
    EXPECT_EQ(written([](std::string& out) { append_number_line(out, 0); }), "0\r\n");
    EXPECT_EQ(written([](std::string& out) {
                  append_number_line(out, std::numeric_limits<std::uint64_t>::max());
              }),
              "18446744073709551615\r\n");
    EXPECT_EQ(written([](std::string& out) { append_stat(out, "version", "1"); }),
              "STAT version 1\r\n");
    EXPECT_EQ(written([](std::string& out) { append_stat(out, "x", ""); }), "STAT x \r\n");
    EXPECT_EQ(written([](std::string& out) {
                  append_stat(out, "bytes", std::uint64_t{18446744073709551615u});
              }),
              "STAT bytes 18446744073709551615\r\n");
}

TEST(ReplyTest, AppendsOneBehindTheOther) {
    std::string out;
    std::string expected;
    for (int i = 0; i < 1000; ++i) {
        append_value(out, "k", 1, "vv");
        append_number_line(out, 5);
        expected += "VALUE k 1 2\r\nvv\r\n5\r\n";
    }
    EXPECT_EQ(out, expected);
}

TEST(ReplyTest, EveryReadyReplyIsOneLine) {
    using namespace replies;
    for (const std::string_view reply : {kStored,
                                         kNotStored,
                                         kExists,
                                         kNotFound,
                                         kDeleted,
                                         kTouched,
                                         kOk,
                                         kEnd,
                                         kReset,
                                         kMetaNoop,
                                         kMetaEnd,
                                         kError,
                                         kBadLine,
                                         kBadChunk,
                                         kBadExptime,
                                         kBadDelta,
                                         kNotNumeric,
                                         kFlushNotAllowed,
                                         kBadShutdownMode,
                                         kShutdownNotEnabled,
                                         kTooLarge,
                                         kNoMemory,
                                         kNoMemoryDelta,
                                         kNoMemoryMetaDelta}) {
        EXPECT_EQ(reply.find("\r\n"), reply.size() - 2) << reply;
    }
}

TEST(ReplyTest, WritesBatchReplies) {
    EXPECT_EQ(
        written([](std::string& out) { append_batch_line(out, "HD", "18f3a0-7 state=queued"); }),
        "HD 18f3a0-7 state=queued\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_line(out, "NF"); }), "NF\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_line(out, "NS", "a\r\nb"); }),
              "NS a  b\r\n");
    EXPECT_EQ(
        written([](std::string& out) { append_batch_row(out, "kadmin", R"({"count":1041})"); }),
        "VA 14 kkadmin\r\n{\"count\":1041}\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_row(out, "", ""); }), "VA 0 k\r\n\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_row(out, "k", "v", UINT32_MAX, 5); }),
              "VA 1 kk f4294967295 e5\r\nv\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_row(out, "a b", "x"); }),
              "VA 1 kYSBi b\r\nx\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_end(out, 2); }), "EN more=2\r\n");
    EXPECT_EQ(written([](std::string& out) { append_batch_end(out, std::nullopt); }),
              "EN done\r\n");
}

TEST(ReplyTest, SendsRowsOfLongKeysWhole) {
    const std::string key(1000, ' ');
    const std::string reply = written([&](std::string& out) { append_batch_row(out, key, "x"); });
    EXPECT_EQ(reply.size(), std::string_view("VA 1 k b\r\nx\r\n").size() + 1336);
}

TEST(ReplyTest, TakesPrintableKeysForPlain) {
    EXPECT_TRUE(is_plain_key("abc~!\xc3\xa4"));
    EXPECT_TRUE(is_plain_key("a\tb"));
    EXPECT_TRUE(is_plain_key(""));
    for (const char* key : {"a b", "a\nb", "a\rb", "\x7f", "\x01"})
        EXPECT_FALSE(is_plain_key(key)) << key;
    EXPECT_FALSE(is_plain_key(std::string_view("\0", 1)));
}

TEST(ReplyTest, WritesErrorsOnOneLine) {
    EXPECT_EQ(written([](std::string& out) { append_client_error(out, "bad\r\nthing"); }),
              "CLIENT_ERROR bad  thing\r\n");
    EXPECT_EQ(written([](std::string& out) { append_server_error(out, "busy"); }),
              "SERVER_ERROR busy\r\n");
}

}  // namespace
}  // namespace shardmill::protocol
