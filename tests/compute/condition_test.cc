#include <gtest/gtest.h>

#include "run.h"

namespace shardmill::compute::test {
namespace {

const std::vector<std::string> kDocuments = {
    R"({"n":5,"s":"abc","b":true})",
    R"({"n":10.5,"s":"10","b":false})",
    R"({"n":null,"s":"","b":null})",
    R"({})",
    R"({"n":"5","s":5})",
    R"({"n":[1],"s":{"x":1}})",
};

TEST(ConditionTest, ComparesNumbersWithNumbersOnly) {
    EXPECT_EQ(matches("$.n=5", kDocuments), 1u);
    EXPECT_EQ(matches("$.n!=5", kDocuments), 1u);
    EXPECT_EQ(matches("$.n<10.5", kDocuments), 1u);
    EXPECT_EQ(matches("$.n<=10.5", kDocuments), 2u);
    EXPECT_EQ(matches("$.n>5", kDocuments), 1u);
    EXPECT_EQ(matches("$.n>=5", kDocuments), 2u);
    EXPECT_EQ(matches("5<=$.n", kDocuments), 2u);
}

TEST(ConditionTest, ComparesStringsByteByByte) {
    EXPECT_EQ(matches("$.s='abc'", kDocuments), 1u);
    EXPECT_EQ(matches("$.s<'abc'", kDocuments), 2u);
    EXPECT_EQ(matches("$.s>=''", kDocuments), 3u);
    EXPECT_EQ(matches("$.s!='abc'", kDocuments), 2u);
}

TEST(ConditionTest, ComparesBooleans) {
    EXPECT_EQ(matches("$.b=true", kDocuments), 1u);
    EXPECT_EQ(matches("$.b!=true", kDocuments), 1u);
    EXPECT_EQ(matches("$.b<true", kDocuments), 1u);
    EXPECT_EQ(matches("$.b=1", kDocuments), 0u);
}

TEST(ConditionTest, TreatsNullAsUnknown) {
    // Neither a condition nor its opposite holds where the field is missing.
    EXPECT_EQ(matches("$.b=true", {R"({})"}), 0u);
    EXPECT_EQ(matches("!$.b=true", {R"({})"}), 0u);
    EXPECT_EQ(matches("$.b=$.b", {R"({})"}), 0u);
    EXPECT_EQ(matches("!($.b=true&$.b=true)", {R"({})"}), 0u);
}

/// All nine pairs of true, false and unknown.
TEST(ConditionTest, FollowsTheTruthTables) {
    const std::string values[] = {"1=1", "1=2", "$.x=1"};  // true, false, unknown
    const int truth[] = {1, 0, -1};
    const std::vector<std::string> document = {"{}"};
    for (int a = 0; a < 3; ++a) {
        for (int b = 0; b < 3; ++b) {
            const std::string both = "(" + values[a] + "&" + values[b] + ")";
            const std::string either = "(" + values[a] + "||" + values[b] + ")";
            const bool any_false = truth[a] == 0 || truth[b] == 0;
            const bool any_true = truth[a] == 1 || truth[b] == 1;
            const bool all_true = truth[a] == 1 && truth[b] == 1;
            const bool all_false = truth[a] == 0 && truth[b] == 0;
            EXPECT_EQ(matches(both, document), all_true ? 1u : 0u) << both;
            EXPECT_EQ(matches("!" + both, document), any_false ? 1u : 0u) << both;
            EXPECT_EQ(matches(either, document), any_true ? 1u : 0u) << either;
            EXPECT_EQ(matches("!" + either, document), all_false ? 1u : 0u) << either;
        }
    }
}

TEST(ConditionTest, BindsAndTighterThanOr) {
    EXPECT_EQ(matches("(1=1||1=2&1=2)", {"{}"}), 1u);
    EXPECT_EQ(matches("((1=1||1=2)&1=2)", {"{}"}), 0u);
    EXPECT_EQ(matches("!1=2&1=1", {"{}"}), 1u);
}

TEST(ConditionTest, AsksWhetherAFieldExists) {
    EXPECT_EQ(matches("exists($.b)", kDocuments), 2u);
    EXPECT_EQ(matches("!exists($.b)", kDocuments), 4u);
}

TEST(ConditionTest, MatchesRegularExpressionsAnywhereInTheText) {
    EXPECT_EQ(matches("$.s~'b'", kDocuments), 1u);
    EXPECT_EQ(matches("$.s~'^[0-9]+$'", kDocuments), 1u);
    EXPECT_EQ(matches("!$.s~'b'", kDocuments), 2u);
    EXPECT_EQ(matches("$.n~'5'", kDocuments), 1u);
    EXPECT_EQ(matches("key~'^k[01]$'", kDocuments), 2u);
}

TEST(ConditionTest, TakesTextAsNumberBesideANumber) {
    const std::vector<std::string> values = {"10;a",  "9;b",    "x;c",  "007;d", "1e1;e",
                                             "inf;f", "0x10;g", " 5;h", "-3;i"};
    EXPECT_EQ(matches("text(;,1)>9", values), 2u);
    EXPECT_EQ(matches("text(;,1)=10", values), 2u);
    EXPECT_EQ(matches("text(;,1)=7", values), 1u);
    EXPECT_EQ(matches("text(;,1)<0", values), 1u);
    EXPECT_EQ(matches("text(;,1)='007'", values), 1u);
    EXPECT_EQ(matches("exists(text(;,3))", values), 0u);
}

TEST(ConditionTest, ComparesLargeNumbersExactly) {
    EXPECT_EQ(matches("$.n>9007199254740992", {R"({"n":9007199254740993})"}), 1u);
    EXPECT_EQ(matches("$.n=18446744073709551615", {R"({"n":18446744073709551615})"}), 1u);
    EXPECT_EQ(matches("$.n>9223372036854775807", {R"({"n":9223372036854775808})"}), 1u);
    EXPECT_EQ(matches("$.n<-9223372036854775807", {R"({"n":-9223372036854775808})"}), 1u);
    EXPECT_EQ(matches("$.n=9007199254740992.0", {R"({"n":9007199254740993})"}), 0u);
}

TEST(ConditionTest, ReadsWhatTheItemItselfHas) {
    const std::vector<TestItem> items = {
        {.key = "a:x", .value = "123", .client_flags = 7, .exptime = kNow + 60},
        {.key = "b:y:z", .value = ""},
        {.key = "gone", .value = "1", .exptime = kNow},
    };
    EXPECT_EQ(rows_of(run("where:ttl=60|by:key|agg:sum(size),sum(flags)", items)),
              R"x(a:x {"sum(size)":3,"sum(flags)":7})x");
    EXPECT_EQ(run("where:ttl<100|agg:count", items).counters.matched, 1u);
    EXPECT_EQ(run("where:!exists(ttl)|agg:count", items).counters.matched, 1u);
    EXPECT_EQ(rows_of(run("where:key(:,3)='z'|by:key(:,2)|agg:count", items)), R"(y {"count":1})");
    EXPECT_EQ(rows_of(run("by:key('y:',2)|agg:count", items)), R"(null {"count":1}|z {"count":1})");
}

TEST(ConditionTest, FiltersByPrefixAndGlob) {
    const std::vector<TestItem> items = {
        {.key = "ab1"}, {.key = "ab2"}, {.key = "ac1"}, {.key = "b"}};
    EXPECT_EQ(run("prefix:a|agg:count", items).counters.matched, 3u);
    EXPECT_EQ(run("prefix:ab|glob:*1|agg:count", items).counters.matched, 1u);
    EXPECT_EQ(run("glob:a?[0-1]|agg:count", items).counters.matched, 2u);
    EXPECT_EQ(run("glob:[!a]*|agg:count", items).counters.matched, 1u);
    EXPECT_EQ(run("agg:count", items, {.prefix = "a", .glob = "*1"}).counters.matched, 2u);
    EXPECT_EQ(run("prefix:ab1|agg:count", items, {.prefix = "ab1x"}).counters.matched, 0u);
}

}  // namespace
}  // namespace shardmill::compute::test
