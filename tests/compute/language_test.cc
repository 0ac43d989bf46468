#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "run.h"

namespace shardmill::compute::test {
namespace {

/// What an expression is for each of the values, in their order, as JSON.
std::string values_of(std::string_view expression, const std::vector<std::string>& values) {
    std::string out;
    for (const std::string& value : values) {
        const std::string row =
            rows_of(run(fmt::format("agg:max({})", expression), items_of({value})));
        const std::size_t start = row.find("\":") + 2;
        out += (out.empty() ? "" : " ") + row.substr(start, row.size() - 1 - start);
    }
    return out;
}

TEST(FilterTest, SearchesKeysForRegularExpressions) {
    const std::vector<TestItem> items = {
        {.key = "user:1"}, {.key = "user:22"}, {.key = "order:1|x"}, {.key = "user(1)"}};
    const auto matched = [&items](std::string_view filter) {
        return run(std::string(filter) + "|agg:count", items).counters.matched;
    };
    EXPECT_EQ(matched("re:^user:\\d+$"), 2u);
    EXPECT_EQ(matched("re:^(user|order):1"), 2u);
    EXPECT_EQ(matched("re:[|]"), 1u);
    EXPECT_EQ(matched("re:r\\(1\\)$"), 1u);
    EXPECT_EQ(matched("re:'1|2'"), 4u);
    EXPECT_EQ(matched("re:user|re:2"), 1u);
    EXPECT_EQ(matched("prefix:user(|glob:*1*"), 1u);
    EXPECT_EQ(matched("glob:order:1\\|x"), 1u);
}

TEST(FilterTest, SamplesTheSameKeysEachTime) {
    std::vector<TestItem> items;
    for (int item = 0; item < 20'000; ++item)
        items.push_back({.key = fmt::format("key:{}", item), .value = std::to_string(item)});
    const auto sampled = [&items](std::string_view filters) {
        std::set<std::string> keys;
        for (const Row& row : run(fmt::format("{}|by:key|agg:count", filters), items).rows)
            keys.insert(row.key);
        return keys;
    };
    const auto tenth = sampled("sample:0.1");
    const auto half = sampled("sample:0.5");
    EXPECT_NEAR(static_cast<double>(tenth.size()), 2000, 200);
    EXPECT_NEAR(static_cast<double>(half.size()), 10'000, 300);
    EXPECT_TRUE(std::ranges::includes(half, tenth));
    EXPECT_EQ(sampled("sample:0.1"), tenth);
    EXPECT_EQ(sampled("sample:0.5|sample:0.1"), tenth);
    EXPECT_EQ(sampled("sample:1").size(), items.size());
    EXPECT_LT(sampled("sample:1e-18").size(), 2u);
    // Stays what it is: another sample would make yesterday's figures differ from today's.
    EXPECT_TRUE(tenth.contains("key:13"));
    EXPECT_FALSE(tenth.contains("key:1"));
}

TEST(ExpressionTest, CalculatesWithNumbers) {
    EXPECT_EQ(values_of("1+2*3-4/8", {""}), "6.5");
    EXPECT_EQ(values_of("(1+2)*3", {""}), "9");
    EXPECT_EQ(values_of("10-3-2", {""}), "5");
    EXPECT_EQ(values_of("100/10/2", {""}), "5");
    EXPECT_EQ(values_of("size-1", {"abc"}), "2");
    EXPECT_EQ(values_of("size--1", {"abc"}), "4");
    EXPECT_EQ(values_of("1e3-1e-3", {""}), "999.999");
    EXPECT_EQ(values_of("7/2", {""}), "3.5");
    EXPECT_EQ(values_of("$.a*2", {R"({"a":3})", R"({"a":1.5})", R"({"a":"3"})", "{}"}),
              "6 3 null null");
    EXPECT_EQ(values_of("value+1", {"3", "x"}), "4 null");
    EXPECT_EQ(values_of("$.a-$.b", {R"({"a":3,"b":5})"}), "-2");
    EXPECT_EQ(values_of("$.a-1-(2)", {R"({"a":3})"}), "0");
    EXPECT_EQ(values_of("($.a)-size", {R"({"a":3})"}), "-4");
    EXPECT_EQ(values_of("$.a - $.b", {R"({"a":3,"b":5})"}), "-2");
    EXPECT_EQ(values_of("$.a-b", {R"({"a-b":7})"}), "7");
    EXPECT_EQ(values_of("$._id.$oid", {R"({"_id":{"$oid":"x"}})"}), R"("x")");
}

TEST(ExpressionTest, KeepsIntegersExactAndGivesNullForWhatIsNoNumber) {
    EXPECT_EQ(values_of("$+1", {"9223372036854775807", "18446744073709551615"}),
              "9223372036854775808 1.8446744073709552e+19");
    EXPECT_EQ(values_of("$*$", {"4294967296", "3037000499", "-9223372036854775808"}),
              "1.8446744073709552e+19 9223372030926249001 8.507059173023462e+37");
    EXPECT_EQ(values_of("$*$*$", {"18446744073709551615"}), "6.277101735386681e+57");
    EXPECT_EQ(values_of("0-$", {"-9223372036854775808", "9223372036854775808"}),
              "9223372036854775808 -9223372036854775808");
    EXPECT_EQ(values_of("$/0", {"1", "0"}), "null null");
    EXPECT_EQ(values_of("$*10", {"1e308"}), "null");
    EXPECT_EQ(values_of("bucket($*10,7)", {"2"}), "14");
}

TEST(ExpressionTest, HasFunctionsOfStrings) {
    EXPECT_EQ(values_of("lower($.s)", {R"({"s":"ABC \u00c4x"})", R"({"s":"abc"})", R"({"s":5})"}),
              "\"abc \xc3\x84x\" \"abc\" 5");
    EXPECT_EQ(values_of("len(value)", {"", "abc"}), "0 3");
    EXPECT_EQ(values_of("len($.s)", {R"({"s":"\u00c4"})", R"({"s":12})"}), "2 null");
    EXPECT_EQ(values_of("part($.mail,@,2)", {R"({"mail":"a@b.c"})", R"({"mail":"a"})"}),
              R"("b.c" null)");
    EXPECT_EQ(values_of("part(part($,/,3),-,2)+1", {R"("/a/b-41/c")"}), "42");
    EXPECT_EQ(values_of("lower(part(key,k,2))", {"x"}), "0");
    EXPECT_EQ(rows_of(run("by:lower(value)|agg:count", items_of({"Ab", "aB", "c"}))),
              R"(ab {"count":2}|c {"count":1})");
}

TEST(ExpressionTest, PutsMomentsIntoBuckets) {
    const std::vector<std::string> moment = {"1714566645"};  // 2024-05-01T12:30:45Z, a Wednesday
    EXPECT_EQ(values_of("time(value,1s)", moment), R"("2024-05-01T12:30:45Z")");
    EXPECT_EQ(values_of("time(value,5m)", moment), R"("2024-05-01T12:30:00Z")");
    EXPECT_EQ(values_of("time(value,12h)", moment), R"("2024-05-01T12:00:00Z")");
    EXPECT_EQ(values_of("time(value,1d)", moment), R"("2024-05-01")");
    EXPECT_EQ(values_of("time(value,24h)", moment), R"("2024-05-01")");
    EXPECT_EQ(values_of("time(value,1w)", moment), R"("2024-04-29")");
    EXPECT_EQ(values_of("time(value,1month)", moment), R"("2024-05")");
    EXPECT_EQ(values_of("time(value,3month)", moment), R"("2024-04")");
    EXPECT_EQ(values_of("time(value,1year)", moment), R"("2024")");
    EXPECT_EQ(values_of("time(value,1d)", {"-1", "0", "86399", "951782400"}),
              R"("1969-12-31" "1970-01-01" "1970-01-01" "2000-02-29")");
    EXPECT_EQ(values_of("time(value,1w)", {"-1", "345599", "345600"}),
              R"("1969-12-29" "1969-12-29" "1970-01-05")");
    EXPECT_EQ(values_of("time(value,3month)", {"-1"}), R"("1969-10")");
}

TEST(ExpressionTest, ReadsMomentsAsSecondsPartsOfThemAndDates) {
    EXPECT_EQ(values_of("unix($)", {"1714566645", "1714566645.9", "1714566645123",
                                    "1714566645123456", "1714566645999999999", "-0.5"}),
              "1714566645 1714566645 1714566645 1714566645 1714566645 -1");
    EXPECT_EQ(values_of("unix(value)", {"2024-05-01", "2024-05-01T12:30", "2024-05-01 12:30:45",
                                        "2024-05-01T12:30:45.678Z", "2024-05-01T14:30:45+02:00",
                                        "2024-05-01T05:30:45-0700", "2024-05-01t12:30:45z"}),
              "1714521600 1714566600 1714566645 1714566645 1714566645 1714566645 1714566645");
    EXPECT_EQ(
        values_of("unix(value)", {"", "2024", "2024-13-01", "2023-02-29", "2024-5-1", "2024-05-01T",
                                  "2024-05-01x", "2024-05-01T25:00", "2024-05-01T12:30:45+99:00",
                                  "1e300", "99999999999999999999", "-99999999999"}),
        "null 2024 null null null null null null null null null null");
    EXPECT_EQ(values_of("unix($)", {"true", R"("2024-05-01")", "[]"}), "null 1714521600 null");
    EXPECT_EQ(values_of("(now-unix(value))/3600", {std::to_string(kNow - 7200)}), "2");
}

TEST(ExpressionTest, CountsTimesInUnits) {
    EXPECT_EQ(values_of("90m+1h-1d", {""}), "-77400");
    EXPECT_EQ(run("where:ttl>1h|agg:count",
                  {{.key = "a", .exptime = kNow + 3601}, {.key = "b", .exptime = kNow + 3600}})
                  .counters.matched,
              1u);
}

TEST(ConditionTest, LooksForAValueInAList) {
    const std::vector<std::string> values = {R"({"n":1,"s":"a"})", R"({"n":2.0,"s":"b"})",
                                             R"({"n":"1"})", R"({})", R"({"n":true})"};
    EXPECT_EQ(matches("in($.n,1,2)", values), 2u);
    EXPECT_EQ(matches("in($.n,1,true,'1')", values), 3u);
    EXPECT_EQ(matches("in($.s,'b')", values), 1u);
    EXPECT_EQ(matches("!in($.s,'b')", values), 1u);  // unknown where there is none
    EXPECT_EQ(matches("in(text(;,1),7,'x')", {"7", "007", "x", "8"}), 3u);
    EXPECT_EQ(matches("(in($.n,1)||in($.s,'b'))", values), 2u);
}

TEST(ConditionTest, TellsExpressionsInParenthesesFromConditions) {
    EXPECT_EQ(matches("(size+1)*2=8", {"abc", "ab"}), 1u);
    EXPECT_EQ(matches("((size+1)*2=8||(size)=2)", {"abc", "ab"}), 2u);
    EXPECT_EQ(matches("!((size)>(2))", {"abc", "ab"}), 1u);
    EXPECT_EQ(matches("2*(size+1)=8&size-3=0", {"abc", "ab"}), 1u);
}

TEST(ConditionTest, LooksAtValuesOnlyBehindCheaperConditions) {
    // The value of the second item is no JSON: had it been read, it would count as failed.
    const std::vector<TestItem> items = {{.key = "a", .value = R"({"n":1})"},
                                         {.key = "b", .value = "xx", .exptime = kNow + 5}};
    for (const char* pipeline :
         {"where:$.n=1&size>5|agg:count", "where:$.n=1&key='a'|agg:count",
          "where:$.n=1|where:!exists(ttl)|agg:count", "where:$.n=1|re:a|agg:count",
          "where:$.n=1&value~'n'|agg:count", "prefix:a|agg:sum($.n)"}) {
        const Result result = run(pipeline, items);
        EXPECT_EQ(result.counters.failed, 0u) << pipeline;
        EXPECT_EQ(result.counters.matched, 1u) << pipeline;
    }
}

const std::vector<std::string> kSales = {R"({"c":"de","n":10,"y":1})", R"({"c":"de","n":30,"y":2})",
                                         R"({"c":"fr","n":5,"y":1})",  R"({"c":"it","n":7,"y":1})",
                                         R"({"c":"it","n":9,"y":2})",  R"({"c":"it","n":2,"y":2})"};

std::string keys_of(std::string_view pipeline) {
    std::string out;
    for (const Row& row : run(pipeline, items_of(kSales)).rows)
        out += (out.empty() ? "" : " ") + row.key;
    return out;
}

TEST(HavingTest, KeepsRowsByTheirColumnsAndGroups) {
    EXPECT_EQ(keys_of("by:$.c|agg:count|having:count>1"), "de it");
    EXPECT_EQ(keys_of("by:$.c|agg:count,sum($.n)|having:count>1&sum($.n)>20"), "de");
    EXPECT_EQ(keys_of("by:$.c|agg:count,sum($.n)|having:(sum<10||count=3)"), "fr it");
    EXPECT_EQ(keys_of("by:$.c|agg:count,sum($.n)|having:sum/count=6"), "it");
    EXPECT_EQ(keys_of("by:$.c|agg:count|having:key!='fr'&!in($.c,'it')"), "de");
    EXPECT_EQ(keys_of("by:$.c,$.y|agg:count|having:$.y=2&$.c~'^i'"), "it\t2");
    EXPECT_EQ(keys_of("by:$.c|agg:max($.x)|having:max>1"), "");
    EXPECT_EQ(keys_of("by:$.c|agg:max($.x)|having:!exists(max)|limit:2"), "de fr");
    EXPECT_EQ(keys_of("by:$.n|agg:count|having:key>=9"), "9 10 30");
    EXPECT_EQ(keys_of("by:bucket($.n,10)|agg:p50($.n)|having:bucket($.n,10)<20&p50>=5"), "0 10");
    EXPECT_EQ(keys_of("by:lower($.c)|agg:count|having:len(lower($.c))=2&lower(key)='fr'"), "fr");
    EXPECT_EQ(keys_of("topk:4,$.n|having:$.n<10"), "k4 k3");
    EXPECT_EQ(keys_of("wordcount:$.c|having:count=2"), "de");
    EXPECT_EQ(keys_of("agg:count|having:count>100"), "");
}

TEST(OrderTest, SortsBySeveralColumns) {
    EXPECT_EQ(keys_of("by:$.c,$.y|agg:count|order:$.y,-$.c"), "it\t1 fr\t1 de\t1 it\t2 de\t2");
    EXPECT_EQ(keys_of("by:$.c|agg:count,sum($.n)|order:-count,sum($.n)"), "it de fr");
    EXPECT_EQ(keys_of("by:$.c|agg:max($.y),sum($.n)|order:-max,sum|limit:2"), "it de");
    EXPECT_EQ(keys_of("by:part($.c,',',1)|agg:count|order:-part($.c,',',1)"), "it fr de");
}

}  // namespace
}  // namespace shardmill::compute::test
