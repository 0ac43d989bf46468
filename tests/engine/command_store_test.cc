#include <gtest/gtest.h>

#include <string>

#include "command_server.h"

namespace shardmill::engine {
namespace {

using namespace std::string_literals;

TEST(CommandStoreTest, ModesDependOnWhetherTheKeyIsThere) {
    CommandServer server;
    server.expect({
        {"replace a 0 0 1\r\n1\r\n", "NOT_STORED\r\n"},
        {"append a 0 0 1\r\n1\r\n", "NOT_STORED\r\n"},
        {"prepend a 0 0 1\r\n1\r\n", "NOT_STORED\r\n"},
        {"cas a 0 0 1 1\r\n1\r\n", "NOT_FOUND\r\n"},
        {"get a\r\n", "END\r\n"},
        {"add a 1 0 1\r\n1\r\n", "STORED\r\n"},
        {"add a 2 0 1\r\n2\r\n", "NOT_STORED\r\n"},
        {"get a\r\n", "VALUE a 1 1\r\n1\r\nEND\r\n"},
        {"replace a 3 0 2\r\n33\r\n", "STORED\r\n"},
        {"get a\r\n", "VALUE a 3 2\r\n33\r\nEND\r\n"},
        {"set a 4294967295 0 0\r\n\r\n", "STORED\r\n"},
        {"get a\r\n", "VALUE a 4294967295 0\r\n\r\nEND\r\n"},
    });
}

TEST(CommandStoreTest, AppendAndPrependKeepFlagsAndDeadline) {
    CommandServer server;
    server.expect({
        {"set a 5 100 3\r\nmid\r\n", "STORED\r\n"},
        {"append a 9 -1 3\r\nend\r\n", "STORED\r\n"},
        {"prepend a 9 7 5\r\nbegin\r\n", "STORED\r\n"},
        {"mg a v f t\r\n", "VA 11 f5 t100\r\nbeginmidend\r\n"},
        {"append a 0 0 0\r\n\r\n", "STORED\r\n"},
        {"get a\r\n", "VALUE a 5 11\r\nbeginmidend\r\nEND\r\n"},
    });
}

TEST(CommandStoreTest, CasStoresOnlyOverTheItemItNames) {
    CommandServer server;
    server.expect({
        {"ms a 1 E100\r\n1\r\n", "HD\r\n"},
        {"cas a 0 0 1 99\r\n2\r\n", "EXISTS\r\n"},
        {"cas a 0 0 1 0\r\n2\r\n", "EXISTS\r\n"},
        {"cas a 0 0 1 99 noreply\r\n2\r\n", ""},
        {"get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"},
        {"cas a 7 0 1 100\r\n2\r\n", "STORED\r\n"},
        {"cas a 0 0 1 100\r\n3\r\n", "EXISTS\r\n"},
        {"get a\r\n", "VALUE a 7 1\r\n2\r\nEND\r\n"},
        {"cas a 0 0 1\r\n3\r\n", "CLIENT_ERROR bad command line format\r\n"},
    });
    EXPECT_EQ(server.stat("cas_hits"), 1u);
    EXPECT_EQ(server.stat("cas_badval"), 4u);
}

TEST(CommandStoreTest, NoreplyIsSilentButStores) {
    CommandServer server;
    server.expect({
        {"set a 0 0 1 noreply\r\nx\r\n", ""},
        {"add a 0 0 1 noreply\r\ny\r\n", ""},
        {"append a 0 0 1 noreply\r\nz\r\n", ""},
        {"get a\r\n", "VALUE a 0 2\r\nxz\r\nEND\r\n"},
        {"set a 0 0 2000000 noreply\r\n" + std::string(2000000, 'x') + "\r\n", ""},
        {"get a\r\n", "END\r\n"},
    });
}

TEST(CommandStoreTest, ABadDataChunkStoresNothing) {
    CommandServer server;
    server.expect({
        {"set a 0 0 1\r\n1\r\n", "STORED\r\n"},
        {"set a 0 0 2\r\n22xx", "CLIENT_ERROR bad data chunk\r\n"},
        {"set a 0 0 2 noreply\r\n22xx", ""},
        {"ms a 2 q\r\n22xx", "CLIENT_ERROR bad data chunk\r\n"},
        {"get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"},
        // What follows the chunk's own bytes is the next command.
        {"set a 0 0 1\r\nxx\r\nversion\r\n",
         "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\n"
         "VERSION 1.6.45\r\n"},
    });
}

TEST(CommandStoreTest, DeadlinesAreRelativeAbsoluteOrPast) {
    CommandServer server;
    const auto at = [&server](std::int64_t offset) {
        return std::to_string(std::int64_t{server.now()} + offset);
    };
    server.expect({
        {"set a 0 0 1\r\nx\r\n", "STORED\r\n"},
        {"mg a t\r\n", "HD t-1\r\n"},
        {"set a 0 2592000 1\r\nx\r\n", "STORED\r\n"},
        {"mg a t\r\n", "HD t2592000\r\n"},
        {"set a 0 2592001 1\r\nx\r\n", "STORED\r\n"},  // a date in 1970
        {"get a\r\n", "END\r\n"},
        {"set a 0 -1 1\r\nx\r\n", "STORED\r\n"},
        {"get a\r\n", "END\r\n"},
        {"set a 0 " + at(60) + " 1\r\nx\r\n", "STORED\r\n"},
        {"mg a t\r\n", "HD t60\r\n"},
        {"set a 0 " + at(-1) + " 1\r\nx\r\n", "STORED\r\n"},
        {"get a\r\n", "END\r\n"},
    });
}

constexpr std::size_t kLimit = 1u << 20;
constexpr std::size_t kLargestWithFlags = kLimit - 48 - 3 - 1 - 8 - 4 - 2;  // key of three bytes
constexpr std::size_t kLargest = kLargestWithFlags + 4;

std::string storage(const std::string& head, std::size_t bytes) {
    return head + " " + std::to_string(bytes) + "\r\n" + std::string(bytes, 'v') + "\r\n";
}

/// Values that arrive in the receive buffer and those that go straight into the log are under the
/// same rules.
class CommandStoreSizeTest : public ::testing::TestWithParam<std::size_t> {
 protected:
    CommandServer server_{CommandServer::Options{.upload_from = GetParam()}};
};

TEST_P(CommandStoreSizeTest, TheLimitCountsWhatMemcachedCounts) {
    ASSERT_EQ(kLargest, 1048514u);
    server_.expect({
        {storage("set foo 0 0", kLargest), "STORED\r\n"},
        {"mg foo s\r\n", "HD s1048514\r\n"},
        {storage("set foo 0 0", kLargest + 1), "SERVER_ERROR object too large for cache\r\n"},
        {storage("set foo 1 0", kLargestWithFlags), "STORED\r\n"},
        {"mg foo s\r\n", "HD s1048510\r\n"},
        {storage("set foo 1 0", kLargestWithFlags + 1),
         "SERVER_ERROR object too large for cache\r\n"},
        {"mg foo s\r\n", "EN\r\n"},
    });
    EXPECT_EQ(server_.stat("store_too_large"), 2u);
    EXPECT_EQ(server_.stat("cmd_set"), 2u);
}

TEST_P(CommandStoreSizeTest, OnlyASetThatFailsUnlinksTheOldValue) {
    const std::string too_large = "SERVER_ERROR object too large for cache\r\n";
    const Exchange kept{"get foo\r\n", "VALUE foo 5 3\r\nabc\r\nEND\r\n"};
    const Exchange gone{"get foo\r\n", "END\r\n"};
    const Exchange fresh{"set foo 5 0 3\r\nabc\r\n", "STORED\r\n"};
    server_.expect({
        fresh,
        {storage("add foo 0 0", kLargest + 1), too_large},
        kept,
        {storage("replace foo 0 0", kLargest + 1), too_large},
        kept,
        {storage("append foo 0 0", kLargest + 1), too_large},
        kept,
        {"cas foo 0 0 1048515 1\r\n" + std::string(kLargest + 1, 'v') + "\r\n", too_large},
        kept,
        {storage("set foo 0 0", kLargest + 1), too_large},
        gone,
        fresh,
        {"ms foo 1048515 ME q\r\n" + std::string(kLargest + 1, 'v') + "\r\n", too_large},
        gone,
    });
}

TEST_P(CommandStoreSizeTest, JoinedValuesOverTheLimitAreNotStored) {
    server_.expect({
        {"set foo 0 0 3\r\nabc\r\n", "STORED\r\n"},
        {storage("append foo 0 0", kLargest - 3), "STORED\r\n"},
        {"mg foo s\r\n", "HD s1048514\r\n"},
        {"append foo 0 0 1\r\nx\r\n", "NOT_STORED\r\n"},
        {"ms foo 1 MP s\r\nx\r\n", "NS s1\r\n"},
        {"mg foo s\r\n", "HD s1048514\r\n"},
    });
}

TEST_P(CommandStoreSizeTest, LargeValuesComeBackAsTheyWere) {
    std::string value(300'000, ' ');
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>('a' + i * 7 % 26);
    const std::string data = std::to_string(value.size()) + "\r\n" + value + "\r\n";
    server_.expect({
        {"set foo 3 0 " + data, "STORED\r\n"},
        {"get foo\r\n", "VALUE foo 3 " + data + "END\r\n"},
        {"append foo 0 0 3\r\nxyz\r\n", "STORED\r\n"},
        {"prepend foo 0 0 " + data, "STORED\r\n"},
        {"get foo\r\n", "VALUE foo 3 600003\r\n" + value + value + "xyz\r\nEND\r\n"},
        {"add foo 0 0 " + data, "NOT_STORED\r\n"},
        {"cas foo 0 0 " + std::to_string(value.size()) + " 1\r\n" + value + "\r\n", "EXISTS\r\n"},
        {"ms bar " + std::to_string(value.size()) + " ME c E12 T60\r\n" + value + "\r\n",
         "HD c12\r\n"},
        {"mg bar v c t\r\n", "VA 300000 c12 t60\r\n" + value + "\r\n"},
        {"ms bar " + std::to_string(value.size()) + " C13\r\n" + value + "\r\n", "EX\r\n"},
        {"ms bar " + std::to_string(value.size()) + " C12 c E14\r\n" + value + "\r\n",
         "HD c14\r\n"},
        {"set bar 0 0 300000\r\n" + value + "xx", "CLIENT_ERROR bad data chunk\r\n"},
        {"mg bar s c\r\n", "HD s300000 c14\r\n"},
        {"ms new " + std::to_string(value.size()) + " MA N60 s\r\n" + value + "\r\n",
         "HD s300000\r\n"},
        {"mg new t s\r\n", "HD t60 s300000\r\n"},
    });
}

INSTANTIATE_TEST_SUITE_P(BufferedAndUploaded, CommandStoreSizeTest,
                         ::testing::Values(SIZE_MAX, std::size_t{1}));

TEST(CommandStoreTest, WithoutEvictionAFullStoreRefusesAndASetLosesTheOldValue) {
    CommandServer server({.memory_limit = 16u << 20, .shards = 1, .evict = false});
    server.expect({{"set mine 0 0 1\r\nx\r\n", "STORED\r\n"}});
    const std::string refused = "SERVER_ERROR out of memory storing object\r\n";
    std::string reply;
    int stored = 0;
    for (; stored < 1000 && reply != refused; ++stored) {
        reply = server.ask(storage("set fill" + std::to_string(stored) + " 0 0", 100'000));
    }
    ASSERT_EQ(reply, refused);
    EXPECT_GT(stored, 100);
    server.expect({
        {storage("add other 0 0", 100'000), refused},
        {storage("replace mine 0 0", 100'000), refused},
        {"get mine\r\n", "VALUE mine 0 1\r\nx\r\nEND\r\n"},
        {storage("set mine 0 0", 100'000), refused},
        {"get mine\r\n", "END\r\n"},
    });
    EXPECT_GE(server.stat("store_no_memory"), 4u);
    EXPECT_EQ(server.stat("evictions"), 0u);
}

TEST(CommandStoreTest, AbandonedUploadsLeaveNothingBehind) {
    CommandServer server({.memory_limit = 16u << 20, .shards = 1, .evict = false});
    protocol::Request request{};
    request.verb = protocol::Verb::Set;
    request.key = "foo";
    request.value_bytes = 900'000;
    for (int round = 0; round < 200; ++round) {
        const net::Upload upload = server.executor().reserve(request);
        ASSERT_NE(upload.value, nullptr) << "round " << round;
        server.executor().abandon(upload);
        while (server.executor().housekeep()) {
        }
    }
    server.executor().abandon({nullptr, 0});  // of a refusal: nothing to give up
    server.expect({{"get foo\r\n", "END\r\n"}});
}

TEST(CommandStoreTest, UploadsThatAreNotStoredLeaveNothingBehind) {
    CommandServer server(
        {.memory_limit = 16u << 20, .shards = 1, .evict = false, .upload_from = 1000});
    server.expect({{"set foo 0 0 1\r\nx\r\n", "STORED\r\n"}});
    const std::string value(900'000, 'v');
    for (int round = 0; round < 50; ++round) {
        server.expect({
            {"add foo 0 0 900000\r\n" + value + "\r\n", "NOT_STORED\r\n"},
            {"cas foo 0 0 900000 1\r\n" + value + "\r\n", "EXISTS\r\n"},
            {"replace no 0 0 900000\r\n" + value + "\r\n", "NOT_STORED\r\n"},
            {"set foo 0 0 900000\r\n" + value + "xx", "CLIENT_ERROR bad data chunk\r\n"},
            {"get foo\r\n", "VALUE foo 0 1\r\nx\r\nEND\r\n"},
        });
    }
}

TEST(CommandStoreTest, CountsStoresThatWereAllocated) {
    CommandServer server;
    server.ask(
        "set a 0 0 1\r\n1\r\nadd a 0 0 1\r\n1\r\nreplace no 0 0 1\r\n1\r\nset a 0 0 1\r\n1xx");
    EXPECT_EQ(server.stat("cmd_set"), 4u);
    EXPECT_EQ(server.stat("curr_items"), 1u);
}

}  // namespace
}  // namespace shardmill::engine
