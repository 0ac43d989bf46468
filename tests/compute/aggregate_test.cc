#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "run.h"

namespace shardmill::compute::test {
namespace {

TEST(AggregateTest, HasOneRowWithoutGroupsEvenForNothing) {
    EXPECT_EQ(rows_of(run("agg:count,sum($.n),min($.n),max($.n),avg($.n)", {})),
              R"x(* {"count":0,"sum($.n)":null,"min($.n)":null,"max($.n)":null,"avg($.n)":null})x");
    EXPECT_EQ(rows_of(run("by:key|agg:count", {})), "");
}

TEST(AggregateTest, SkipsNull) {
    const auto items =
        items_of({R"({"n":2})", "{}", R"({"n":null})", R"({"n":4})", R"({"n":"7"})"});
    EXPECT_EQ(
        rows_of(run("agg:count,count($.n),sum($.n),min($.n),max($.n),avg($.n)", items)),
        R"x(* {"count":5,"count($.n)":3,"sum($.n)":6,"min($.n)":2,"max($.n)":"7","avg($.n)":3})x");
}

TEST(AggregateTest, KeepsIntegersAndDoublesApart) {
    EXPECT_EQ(rows_of(run("agg:sum($.n)", items_of({R"({"n":1})", R"({"n":2})"}))),
              R"x(* {"sum($.n)":3})x");
    EXPECT_EQ(rows_of(run("agg:sum($.n)", items_of({R"({"n":1})", R"({"n":0.1})"}))),
              R"x(* {"sum($.n)":1.1})x");
    EXPECT_EQ(rows_of(run("agg:avg($.n)", items_of({R"({"n":1})", R"({"n":2})"}))),
              R"x(* {"avg($.n)":1.5})x");
    EXPECT_EQ(rows_of(run("agg:avg(text(;,1))", items_of({"1", "1", "2"}))),
              R"x(* {"avg(text(;,1))":1.3333333333333333})x");
}

TEST(AggregateTest, SumsBeyond64BitsOnTheWayButNotAtTheEnd) {
    const std::string most = R"({"n":9223372036854775807})";
    const std::string least = R"({"n":-9223372036854775808})";
    EXPECT_EQ(rows_of(run("agg:sum($.n)", items_of({most, most}))),
              R"x(* {"sum($.n)":18446744073709551614})x");
    EXPECT_EQ(rows_of(run("agg:sum($.n)",
                          items_of({most, most, most, most, least, least, least, least}))),
              R"x(* {"sum($.n)":-4})x");
    const auto result = run_with(compiled("agg:sum($.n)"), items_of({most, most, most}), {});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::OutOfRange);
    EXPECT_EQ(result.error().message, "sum($.n) is out of range in group *");
}

TEST(AggregateTest, RefusesInfiniteSums) {
    const auto result = run_with(compiled("agg:sum($)"), items_of({"1.7e308", "1.7e308"}), {});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::OutOfRange);
}

TEST(AggregateTest, LosesNothingToRounding) {
    EXPECT_EQ(rows_of(run("agg:sum($)", items_of({"1e100", "1.5", "-1e100"}))),
              R"x(* {"sum($)":1.5})x");
    std::vector<std::string> tenths(1000, "0.1");
    EXPECT_EQ(rows_of(run("agg:sum($)", items_of(tenths))), R"x(* {"sum($)":100})x");
}

TEST(AggregateTest, OrdersMinAndMaxOverAllKinds) {
    const auto items =
        items_of({R"({"v":"b"})", R"({"v":"a"})", R"({"v":1.5})", R"({"v":2})", R"({"v":true})"});
    EXPECT_EQ(rows_of(run("agg:min($.v),max($.v)", items)),
              R"x(* {"min($.v)":true,"max($.v)":"b"})x");
    EXPECT_EQ(rows_of(run("agg:min(value),max(value)", items_of({"10", "9", "7.5"}))),
              R"x(* {"min(value)":7.5,"max(value)":10})x");
}

TEST(AggregateTest, WritesValidJsonWhateverTheBytes) {
    EXPECT_EQ(rows_of(run("agg:max(value)", items_of({"a\"\\\n\x01\xff\xc3\xbc"}))),
              R"x(* {"max(value)":"a\"\\\n\u0001)x"
              "\xef\xbf\xbd\xc3\xbc\"}");
    EXPECT_EQ(rows_of(run("agg:count(text('\"',1))", items_of({"x"}))),
              R"x(* {"count(text('\"',1))":1})x");
}

TEST(AggregateTest, WritesGroupsAsText) {
    const auto items = items_of({R"({"a":1,"b":"x"})", R"({"a":1.0,"b":"x"})",
                                 R"({"a":"t\tb","b":"\\"})", R"({"b":true})"});
    EXPECT_EQ(rows_of(run("by:$.a|agg:count", items)),
              "1 {\"count\":2}|null {\"count\":1}|t\tb {\"count\":1}");
    EXPECT_EQ(rows_of(run("by:$.a,$.b|agg:count", items)),
              "1\tx {\"count\":2}|null\ttrue {\"count\":1}|t\\tb\t\\\\ {\"count\":1}");
}

TEST(AggregateTest, GroupsIntoBuckets) {
    EXPECT_EQ(rows_of(run("by:bucket($,10)|agg:count",
                          items_of({"0", "9", "10", "-1", "-10", "-11", "19.5", "\"x\""}))),
              R"(-20 {"count":1}|-10 {"count":2}|0 {"count":2}|10 {"count":2}|null {"count":1})");
    EXPECT_EQ(rows_of(run("by:bucket($,0.5)|agg:count", items_of({"0.7", "1"}))),
              R"(0.5 {"count":1}|1 {"count":1})");
    EXPECT_EQ(rows_of(run("by:bucket($,10)|agg:count",
                          items_of({"18446744073709551615", "-9223372036854775808"}))),
              R"(-9.223372036854776e+18 {"count":1}|18446744073709551610 {"count":1})");
}

TEST(AggregateTest, OrdersAndLimitsRows) {
    const auto items = items_of({"b,2,x", "a,2,y", "c,10,x", "d,,z", "10,1,x", "9,1,x"});
    const std::string by = "by:text(',',1)|agg:sum(text(',',2)),count";
    const auto keys = [&](const std::string& rest) {
        std::string out;
        for (const Row& row : run(by + rest, items).rows) out += row.key + ' ';
        return out;
    };
    EXPECT_EQ(keys(""), "9 10 a b c d ");
    EXPECT_EQ(keys("|order:key"), "9 10 a b c d ");
    EXPECT_EQ(keys("|order:-key"), "d c b a 10 9 ");
    EXPECT_EQ(keys("|order:text(',',1)"), "9 10 a b c d ");
    EXPECT_EQ(keys("|order:sum"), "d 9 10 a b c ");
    EXPECT_EQ(keys("|order:-sum"), "c a b 9 10 d ");
    EXPECT_EQ(keys("|order:-sum(text(',',2))|limit:3"), "c a b ");
    EXPECT_EQ(keys("|limit:2"), "9 10 ");
    EXPECT_EQ(keys("|limit:100"), "9 10 a b c d ");
    EXPECT_EQ(
        rows_of(run("by:text(',',3),text(',',1)|agg:count|order:-text(',',3)|limit:2", items)),
        "z\td {\"count\":1}|y\ta {\"count\":1}");
}

/// What a group must come to, computed in the plainest way.
struct Reference {
    std::uint64_t count = 0;
    long long sum = 0;
    std::uint64_t numbers = 0;
    std::optional<long long> smallest;
    std::optional<long long> largest;

    void add(std::optional<long long> number) {
        ++count;
        if (!number) return;
        ++numbers;
        sum += *number;
        smallest = std::min(smallest.value_or(*number), *number);
        largest = std::max(largest.value_or(*number), *number);
    }
    std::string row() const {
        const auto text = [](std::optional<long long> number) {
            return number ? fmt::format("{}", *number) : "null";
        };
        return fmt::format(
            R"x({{"count":{},"sum($.n)":{},"min($.n)":{},"max($.n)":{},"avg($.n)":{}}})x", count,
            numbers > 0 ? fmt::format("{}", sum) : "null", text(smallest), text(largest),
            numbers > 0 ? fmt::format("{}", static_cast<double>(sum) / static_cast<double>(numbers))
                        : "null");
    }
};

/// The same items spread over one to five partials, merged in turn, must give what the reference
/// gives.
TEST(AggregateTest, AgreesWithTheReferenceOverRandomItems) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 20; ++round) {
        const std::size_t partials = 1 + random() % 5;
        std::vector<std::vector<TestItem>> parts(partials);
        std::map<std::string, Reference> reference;
        for (std::size_t item = 0; item < 3000; ++item) {
            const auto group = random() % 40;
            std::optional<long long> number;
            if (random() % 5 != 0)
                number = static_cast<long long>(random() % 2'000'001) - 1'000'000;
            TestItem made{.key = fmt::format("k{}", item),
                          .exptime = random() % 10 == 0 ? kNow - 1 : 0};
            made.value = number ? fmt::format(R"({{"g":"g{}","n":{}}})", group, *number)
                                : fmt::format(R"({{"g":"g{}"}})", group);
            if (made.exptime == 0 && number.value_or(0) <= 900'000)
                reference[fmt::format("g{}", group)].add(number);
            parts[random() % partials].push_back(std::move(made));
        }
        const auto program = compiled(
            "where:!($.n>900000||1=2)&size>0|by:$.g|agg:count,sum($.n),min($.n),max($.n),avg($.n)");
        // Unknown is not true: items without a number do not pass, in the reference either.
        for (auto& [group, expected] : reference) expected.count = expected.numbers;
        const auto budget = std::make_shared<JobBudget>(JobLimits{});
        auto total = Partial::start(program, budget);
        ASSERT_TRUE(total.has_value());
        for (const auto& part : parts) {
            auto partial = map_items(program, part, budget);
            ASSERT_TRUE(partial.has_value());
            ASSERT_TRUE(total->merge(std::move(*partial)).has_value());
        }
        const auto result = total->finish();
        ASSERT_TRUE(result.has_value());
        std::map<std::string, std::string> rows;
        for (const Row& row : result->rows) rows[row.key] = row.value;
        ASSERT_EQ(rows.size(), reference.size());
        for (const auto& [group, expected] : reference)
            EXPECT_EQ(rows[group], expected.row()) << group;
    }
}

}  // namespace
}  // namespace shardmill::compute::test
