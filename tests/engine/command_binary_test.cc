#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "binary_exchange.h"
#include "command_server.h"

namespace shardmill::engine {
namespace {

using namespace std::string_literals;

constexpr std::uint32_t kDoNotCreate = 0xffffffff;

TEST(CommandBinaryTest, GetsAnswerHitsAndMissesInFourWays) {
    expect({}, {
                   {keyed(0x00, "k"), {not_found(0x00)}},
                   {keyed(0x09, "k"), {}},
                   {keyed(0x0c, "k"), {{.opcode = 0x0c, .key = "k", .status = 1, .magic = 0x81}}},
                   {keyed(0x0d, "k"), {}},
                   {store(0x01, "k", "value", 0xdeadbeef), {success(0x01)}},
                   {keyed(0x00, "k"), {hit(0x00, 0xdeadbeef, "value")}},
                   {keyed(0x09, "k"), {hit(0x09, 0xdeadbeef, "value")}},
                   {keyed(0x0c, "k"), {hit(0x0c, 0xdeadbeef, "value", "k")}},
                   {keyed(0x0d, "k"), {hit(0x0d, 0xdeadbeef, "value", "k")}},
                   {store(0x01, "k", ""), {success(0x01)}},
                   {keyed(0x00, "k"), {hit(0x00, 0, "")}},
                   {store(0x01, "\0 \r\n\xff"s, "\0\r\n"s), {success(0x01)}},
                   {keyed(0x0c, "\0 \r\n\xff"s), {hit(0x0c, 0, "\0\r\n"s, "\0 \r\n\xff"s)}},
               });
}

TEST(CommandBinaryTest, StoringDependsOnWhetherTheKeyIsThere) {
    expect({}, {
                   {store(0x03, "k", "1"), {not_found(0x03)}},
                   {keyed(0x0e, "k", "1"), {not_stored(0x0e)}},
                   {keyed(0x0f, "k", "1"), {not_stored(0x0f)}},
                   {store(0x02, "k", "1", 7), {success(0x02)}},
                   {store(0x02, "k", "2"), {exists(0x02)}},
                   {keyed(0x00, "k"), {hit(0x00, 7, "1")}},
                   {store(0x03, "k", "3", 8), {success(0x03)}},
                   {keyed(0x0e, "k", "end"), {success(0x0e)}},
                   {keyed(0x0f, "k", "begin"), {success(0x0f)}},
                   {keyed(0x00, "k"), {hit(0x00, 8, "begin3end")}},
                   {store(0x01, "k", "4"), {success(0x01)}},
                   {keyed(0x00, "k"), {hit(0x00, 0, "4")}},
                   {keyed(0x04, "k"), {success(0x04)}},
                   {keyed(0x04, "k"), {not_found(0x04)}},
               });
}

TEST(CommandBinaryTest, QuietOpcodesHideSuccessAndNothingElse) {
    expect({}, {
                   {store(0x13, "k", "1"), {not_found(0x13)}},
                   {keyed(0x19, "k", "1"), {not_stored(0x19)}},
                   {keyed(0x1a, "k", "1"), {not_stored(0x1a)}},
                   {store(0x12, "k", "1"), {}},
                   {store(0x12, "k", "1"), {exists(0x12)}},
                   {store(0x13, "k", "2"), {}},
                   {keyed(0x19, "k", "3"), {}},
                   {keyed(0x1a, "k", "1"), {}},
                   {keyed(0x00, "k"), {hit(0x00, 0, "123")}},
                   {delta(0x15, "k", 1, 0, 0), {}},
                   {delta(0x16, "k", 2, 0, 0), {}},
                   {keyed(0x00, "k"), {hit(0x00, 0, "122")}},
                   {delta(0x15, "n", 1, 5, 0), {}},
                   {keyed(0x00, "n"), {hit(0x00, 0, "5")}},
                   {keyed(0x14, "k"), {}},
                   {keyed(0x14, "k"), {not_found(0x14)}},
                   {delta(0x15, "k", 1, 0, kDoNotCreate), {not_found(0x15)}},
                   {delta(0x16, "k", 1, 0, kDoNotCreate), {not_found(0x16)}},
                   {store(0x11, "k", "x"), {}},
                   {delta(0x15, "k", 1, 0, 0),
                    {failure(0x15, 6, "Non-numeric server-side value for incr or decr")}},
                   {store(0x11, "k", "x", 0, 0, 99), {exists(0x11)}},
                   {store(0x11, "none", "x", 0, 0, 99), {not_found(0x11)}},
                   {keyed(0x14, "k", {}, 99), {exists(0x14)}},
                   {touch(0x1e, "none", 10), {}},
                   {touch(0x24, "none", 10), {}},
                   {touch(0x1e, "k", 10), {hit(0x1e, 0, "x")}},
                   {touch(0x24, "k", 10), {hit(0x24, 0, "x", "k")}},
               });
}

TEST(CommandBinaryTest, NumbersAreChangedOrBegun) {
    expect({}, {
                   {delta(0x05, "n", 1, 10, kDoNotCreate), {not_found(0x05)}},
                   {delta(0x06, "n", 1, 10, kDoNotCreate), {not_found(0x06)}},
                   {delta(0x05, "n", 1, 10, 0), {number(0x05, 10)}},
                   {delta(0x05, "n", 5, 77, kDoNotCreate), {number(0x05, 15)}},
                   {delta(0x06, "n", 20, 0, 0), {number(0x06, 0)}},
                   {keyed(0x00, "n"), {hit(0x00, 0, "0 ")}},
                   {delta(0x05, "n", ~0ull, 0, 0), {number(0x05, ~0ull)}},
                   {delta(0x05, "n", 2, 0, 0), {number(0x05, 1)}},
                   {delta(0x06, "m", 1, ~0ull, 0xfffffffe), {number(0x06, ~0ull)}},
                   {keyed(0x00, "m"), {hit(0x00, 0, "18446744073709551615")}},
                   {store(0x01, "t", "12x"), {success(0x01)}},
                   {delta(0x05, "t", 1, 0, 0),
                    {failure(0x05, 6, "Non-numeric server-side value for incr or decr")}},
                   {store(0x01, "t", ""), {success(0x01)}},
                   {delta(0x06, "t", 1, 0, 0),
                    {failure(0x06, 6, "Non-numeric server-side value for incr or decr")}},
               });
}

TEST(CommandBinaryTest, TouchAnswersFlagsAndGatTheValueToo) {
    expect({},
           {
               {touch(0x1c, "k", 10), {not_found(0x1c)}},
               {touch(0x1d, "k", 10), {not_found(0x1d)}},
               {touch(0x23, "k", 10), {{.opcode = 0x23, .key = "k", .status = 1, .magic = 0x81}}},
               {store(0x01, "k", "value", 5), {success(0x01)}},
               {touch(0x1c, "k", 10), {hit(0x1c, 5, "")}},
               {touch(0x1d, "k", 10), {hit(0x1d, 5, "value")}},
               {touch(0x23, "k", 10), {hit(0x23, 5, "value", "k")}},
           });
}

TEST(CommandBinaryTest, DeadlinesHaveNoSign) {
    CommandServer server;
    const auto lives = [&](std::uint32_t exptime) {
        server.ask(store(0x11, "k", "x", 0, exptime).bytes());
        return server.ask("mg k t\r\n");
    };
    EXPECT_EQ(lives(0), "HD t-1\r\n");
    EXPECT_EQ(lives(60), "HD t60\r\n");
    EXPECT_EQ(lives(2'592'000), "HD t2592000\r\n");
    EXPECT_EQ(lives(2'592'001), "EN\r\n");
    EXPECT_EQ(lives(server.now() + 5), "HD t5\r\n");
    EXPECT_EQ(lives(server.now() - 1), "EN\r\n");
    // What a signed number would take for -1 is a date in 2106.
    EXPECT_EQ(lives(0xffffffff), "HD t" + std::to_string(0xffffffffu - server.now()) + "\r\n");
    server.ask(touch(0x1c, "k", 7).bytes());
    EXPECT_EQ(server.ask("mg k t\r\n"), "HD t7\r\n");
    server.ask(touch(0x1d, "k", 0).bytes());
    EXPECT_EQ(server.ask("mg k t\r\n"), "HD t-1\r\n");
    server.ask(delta(0x05, "n", 1, 1, 30).bytes());
    EXPECT_EQ(server.ask("mg n t\r\n"), "HD t30\r\n");
    server.ask(delta(0x05, "n", 1, 1, 90).bytes());
    EXPECT_EQ(server.ask("mg n t\r\n"), "HD t30\r\n");
}

/// Stores `a` with the CAS 100.
void store_hundred(CommandServer& server) { server.expect({{"ms a 1 E100\r\n1\r\n", "HD\r\n"}}); }

TEST(CommandBinaryTest, ACasIsComparedByWhateverChangesAnItem) {
    const Packet changes[] = {
        store(0x01, "a", "2"),     store(0x02, "a", "2"),     store(0x03, "a", "2"),
        keyed(0x0e, "a", "2"),     keyed(0x0f, "a", "2"),     keyed(0x04, "a"),
        delta(0x05, "a", 1, 0, 0), delta(0x06, "a", 1, 0, 0),
    };
    for (Packet change : changes) {
        CommandServer server;
        store_hundred(server);
        change.cas = 99;
        EXPECT_EQ(server.ask(change.bytes()), exists(change.opcode).bytes());
        EXPECT_EQ(server.ask("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
        change.cas = 100;
        const std::string done = server.ask(change.bytes());
        EXPECT_EQ(done.substr(0, 8), success(change.opcode).bytes().substr(0, 8));
        EXPECT_NE(cas_of(done), 100u);
        EXPECT_EQ(cas_of(done) == 0, change.opcode == 0x04) << "only a delete has none to tell";
        EXPECT_NE(server.ask("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
    }
    for (const std::uint8_t opcode : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
        CommandServer server;
        EXPECT_EQ(server.ask(store(opcode, "a", "2", 0, 0, 100).bytes()),
                  not_found(opcode).bytes());
        EXPECT_EQ(server.stat("cas_misses"), 1u);
    }
}

TEST(CommandBinaryTest, RepliesTellTheCasThatTextTells) {
    CommandServer server;
    store_hundred(server);
    EXPECT_EQ(cas_of(server.ask(keyed(0x00, "a").bytes())), 100u);
    EXPECT_EQ(cas_of(server.ask(touch(0x1c, "a", 9).bytes())), 100u);
    EXPECT_EQ(cas_of(server.ask(touch(0x23, "a", 9).bytes())), 100u);
    for (const Packet& change : {store(0x01, "a", "2"), keyed(0x0e, "a", "2"),
                                 delta(0x05, "a", 1, 0, 0), delta(0x06, "new", 1, 1, 0)}) {
        const std::string cas = std::to_string(cas_of(server.ask(change.bytes())));
        EXPECT_EQ(server.ask("mg " + change.key + " c\r\n"), "HD c" + cas + "\r\n");
    }
    EXPECT_EQ(cas_of(server.ask(keyed(0x00, "none").bytes())), 0u);
    EXPECT_EQ(cas_of(server.ask(store(0x02, "a", "x").bytes())), 0u);
}

TEST(CommandBinaryTest, WithoutCasNothingIsToldAndStoringComparesNothing) {
    CommandServer server({.cas_enabled = false});
    EXPECT_EQ(server.ask(store(0x01, "a", "1").bytes()), success(0x01).bytes());
    EXPECT_EQ(server.ask(keyed(0x00, "a").bytes()), hit(0x00, 0, "1").bytes());
    EXPECT_EQ(server.ask(store(0x01, "a", "1", 0, 0, 1).bytes()), success(0x01).bytes());
    EXPECT_EQ(server.ask(keyed(0x0e, "a", "1", 1).bytes()), success(0x0e).bytes());
    EXPECT_EQ(server.ask(store(0x02, "a", "1", 0, 0, 1).bytes()), exists(0x02).bytes());
    EXPECT_EQ(server.ask(delta(0x05, "a", 1, 0, 0).bytes()), number(0x05, 12).bytes());
    EXPECT_EQ(server.ask(delta(0x05, "a", 1, 0, 0, 1).bytes()), exists(0x05).bytes());
    EXPECT_EQ(server.ask(keyed(0x04, "a", {}, 1).bytes()), exists(0x04).bytes());
}

TEST(CommandBinaryTest, OpaqueAndQuietOpcodeAreRepeated) {
    CommandServer server;
    Packet request = keyed(0x0d, "k");
    Packet reply = hit(0x0d, 0, "v", "k");
    server.ask(store(0x11, "k", "v").bytes());
    request.opaque = reply.opaque = 0x01020384;
    EXPECT_EQ(without_cas(server.ask(request.bytes())), reply.bytes());
}

TEST(CommandBinaryTest, CountsWhatTextCounts) {
    CommandServer server;
    server.ask(joined({keyed(0x00, "k"), keyed(0x0d, "k"), store(0x01, "k", "1"), keyed(0x0c, "k"),
                       touch(0x1c, "k", 0), touch(0x1d, "none", 0), delta(0x05, "k", 1, 0, 0),
                       delta(0x06, "k", 1, 0, 0), delta(0x05, "none", 1, 0, kDoNotCreate),
                       delta(0x16, "none", 1, 0, kDoNotCreate), keyed(0x04, "none"),
                       store(0x01, "k", "2", 0, 0, 1), keyed(0x14, "k")}));
    const std::pair<const char*, std::uint64_t> expected[] = {
        {"cmd_get", 3},     {"get_hits", 1},    {"get_misses", 2},   {"cmd_set", 2},
        {"cmd_touch", 2},   {"touch_hits", 1},  {"touch_misses", 1}, {"incr_hits", 1},
        {"decr_hits", 1},   {"incr_misses", 1}, {"decr_misses", 1},  {"delete_misses", 1},
        {"delete_hits", 1}, {"cas_badval", 1},
    };
    for (const auto& [name, count] : expected) EXPECT_EQ(server.stat(name), count) << name;
}

constexpr std::size_t kLargest = 1048514;  // with a key of three bytes and no flags

/// Values that arrive in the receive buffer and those that go straight into the log are under the
/// same rules.
class CommandBinarySizeTest : public ::testing::TestWithParam<std::size_t> {
 protected:
    CommandServer::Options options() const { return {.upload_from = GetParam()}; }
};

TEST_P(CommandBinarySizeTest, OnlyASetThatIsTooLargeUnlinksTheOldValue) {
    const std::string too_long(kLargest + 1, 'x');
    const auto refused = [](std::uint8_t opcode) { return failure(opcode, 3, "Too large."); };
    expect(options(), {
                          {store(0x01, "foo", std::string(kLargest, 'x')), {success(0x01)}},
                          {keyed(0x00, "foo"), {hit(0x00, 0, std::string(kLargest, 'x'))}},
                          {keyed(0x0e, "foo", "y"), {not_stored(0x0e)}},
                          {store(0x01, "foo", "old"), {success(0x01)}},
                          {store(0x02, "foo", too_long), {refused(0x02)}},
                          {store(0x03, "foo", too_long), {refused(0x03)}},
                          {keyed(0x0e, "foo", too_long), {refused(0x0e)}},
                          {keyed(0x1a, "foo", too_long), {refused(0x1a)}},
                          {store(0x12, "foo", too_long), {refused(0x12)}},
                          {keyed(0x00, "foo"), {hit(0x00, 0, "old")}},
                          {store(0x11, "foo", too_long), {refused(0x11)}},
                          {keyed(0x00, "foo"), {not_found(0x00)}},
                      });
}

TEST_P(CommandBinarySizeTest, LargeValuesAreJoinedAndCompared) {
    const std::string part(300'000, 'x');
    expect(options(), {
                          {store(0x01, "foo", part, 3), {success(0x01)}},
                          {keyed(0x0e, "foo", "end"), {success(0x0e)}},
                          {keyed(0x0f, "foo", part), {success(0x0f)}},
                          {keyed(0x00, "foo"), {hit(0x00, 3, part + part + "end")}},
                          {store(0x01, "foo", part, 0, 0, 77), {exists(0x01)}},
                          {store(0x13, "bar", part), {not_found(0x13)}},
                      });
}

INSTANTIATE_TEST_SUITE_P(BufferedAndUploaded, CommandBinarySizeTest,
                         ::testing::Values(SIZE_MAX, std::size_t{1000}));

TEST(CommandBinaryTest, LargeValuesAreSentFromTheLog) {
    CommandServer server;
    for (const std::size_t bytes : {16 * 1024 - 1, 16 * 1024, 300'000}) {
        const std::string value(bytes, 'v');
        server.ask(store(0x11, "k", value, 9).bytes());
        for (const std::uint8_t opcode : {std::uint8_t{0x00}, std::uint8_t{0x0d}}) {
            const Packet reply = hit(opcode, 9, value, opcode == 0 ? "" : "k");
            EXPECT_EQ(without_cas(server.ask(keyed(opcode, "k").bytes())), reply.bytes());
            EXPECT_EQ(server.last_pinned(), bytes >= 16 * 1024 ? 1u : 0u);
        }
        EXPECT_EQ(without_cas(server.ask(touch(0x1c, "k", 0).bytes())), hit(0x1c, 9, "").bytes());
        EXPECT_EQ(server.last_pinned(), 0u);
    }
}

TEST(CommandBinaryTest, WithoutMemoryTheReplySaysSo) {
    CommandServer server({.memory_limit = 16u << 20, .shards = 1, .evict = false});
    const std::string value(500'000, 'x');
    std::string reply;
    int stored = 0;
    for (; stored < 100; ++stored) {
        reply = server.ask(store(0x01, "k" + std::to_string(stored), value).bytes());
        if (cas_of(reply) == 0) break;
    }
    ASSERT_LT(stored, 100);
    EXPECT_EQ(reply, failure(0x01, 0x82, "Out of memory allocating item").bytes());
    EXPECT_EQ(server.stat("store_no_memory"), 1u);
    // As with the text command, the old value of a set that fails is gone.
    EXPECT_EQ(server.ask(store(0x11, "k0", std::string(900'000, 'y')).bytes()),
              failure(0x11, 0x82, "Out of memory allocating item").bytes());
    EXPECT_EQ(server.ask(keyed(0x00, "k0").bytes()), not_found(0x00).bytes());
}

}  // namespace
}  // namespace shardmill::engine
