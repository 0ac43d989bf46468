#include <fmt/format.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "run.h"

namespace shardmill::compute::test {
namespace {

double number_of(const Result& result, std::string_view column) {
    const std::string& row = result.rows.at(0).value;
    const std::string name = fmt::format("\"{}\":", column);
    const std::size_t at = row.find(name);
    EXPECT_NE(at, std::string::npos) << column << " in " << row;
    return at == std::string::npos ? 0 : std::strtod(row.c_str() + at + name.size(), nullptr);
}

/// The items spread over partials at random, which are merged in random order, some of them after
/// having been saved and loaded.
Result run_split(std::string_view pipeline, const std::vector<TestItem>& items,
                 std::mt19937_64& random) {
    const auto program = compiled(pipeline);
    const auto budget = std::make_shared<JobBudget>(JobLimits{});
    std::vector<std::vector<TestItem>> parts(1 + random() % 6);
    for (const TestItem& item : items) parts[random() % parts.size()].push_back(item);
    std::vector<Partial> partials;
    for (const auto& part : parts) partials.push_back(std::move(*map_items(program, part, budget)));
    while (partials.size() > 1) {
        std::ranges::shuffle(partials, random);
        Partial last = std::move(partials.back());
        partials.pop_back();
        if (random() % 2 == 0) {
            EXPECT_TRUE(partials.back().merge(std::move(last)).has_value());
        } else {
            EXPECT_TRUE(partials.back().load(*last.save()).has_value());
        }
    }
    auto result = partials.back().finish();
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
}

std::vector<TestItem> numbers(std::size_t count, std::mt19937_64& random, auto&& make) {
    std::vector<std::string> values;
    for (std::size_t item = 0; item < count; ++item) values.push_back(make(random));
    return items_of(values);
}

TEST(AggregateTest, GivesTheVarianceOfASample) {
    const auto items = items_of({"2", "4", "4", "4", "5", "5", "7", "9", "null", "\"x\""});
    EXPECT_DOUBLE_EQ(number_of(run("agg:var($)", items), "var($)"), 32.0 / 7);
    EXPECT_DOUBLE_EQ(number_of(run("agg:stddev($)", items), "stddev($)"), std::sqrt(32.0 / 7));
    EXPECT_EQ(rows_of(run("agg:var($),stddev($)", items_of({"1"}))),
              R"x(* {"var($)":null,"stddev($)":null})x");
    std::mt19937_64 random(5);
    for (int round = 0; round < 20; ++round) {
        std::vector<double> all;
        // Far from zero, where summing squares would have nothing left of the differences.
        const auto spread = numbers(1 + random() % 2000, random, [&all](auto& source) {
            all.push_back(1e9 + static_cast<double>(source() % 1000) / 8);
            return fmt::format("{}", all.back());
        });
        long double mean = 0;
        for (const double number : all) mean += number;
        mean /= static_cast<long double>(all.size());
        long double squares = 0;
        for (const double number : all) squares += (number - mean) * (number - mean);
        const Result result = run_split("agg:var(value),count", spread, random);
        if (all.size() < 2) continue;
        const double expected = static_cast<double>(squares / (all.size() - 1));
        EXPECT_NEAR(number_of(result, "var(value)"), expected, 1e-7 * expected);
    }
}

TEST(AggregateTest, GivesTheFirstAndTheLastByAnother) {
    const auto items =
        items_of({R"({"t":5,"v":"b"})", R"({"t":1,"v":"c"})", R"({"t":9,"v":"a"})",
                  R"({"t":9,"v":"d"})", R"({"t":1,"v":"a"})", R"({"v":"x"})", R"({"t":0})"});
    EXPECT_EQ(rows_of(run("agg:first($.v,$.t),last($.v,$.t),first(key,$.t)", items)),
              R"x(* {"first($.v,$.t)":"a","last($.v,$.t)":"d","first(key,$.t)":"k6"})x");
    EXPECT_EQ(rows_of(run("agg:last($.t,$.none)", items)), R"x(* {"last($.t,$.none)":null})x");
}

TEST(DistinctTest, CountsEqualValuesOnce) {
    const auto items = items_of({"1", "1.0", "1e0", "\"1\"", "true", "false", "true", "null", "-0",
                                 "0", "0.5", "9223372036854775808", "9.223372036854775808e18"});
    EXPECT_EQ(rows_of(run("agg:distinct($),hll($)", items)), R"x(* {"distinct($)":7,"hll($)":7})x");
    EXPECT_EQ(rows_of(run("agg:distinct(value)", items_of({"7", "007", "7.0", "x", "X"}))),
              R"x(* {"distinct(value)":3})x");
    EXPECT_EQ(rows_of(run("agg:distinct($.n),hll($.n)", {})),
              R"x(* {"distinct($.n)":0,"hll($.n)":0})x");
}

TEST(DistinctTest, IsExactUntilItsMemoryIsUsedUp) {
    std::vector<std::string> values;
    for (int item = 0; item < 30'000; ++item) values.push_back(fmt::format("value {}", item));
    EXPECT_EQ(rows_of(run("agg:distinct(value)", items_of(values))),
              R"x(* {"distinct(value)":30000})x");
    const auto result =
        run_with(compiled("agg:distinct(value)"), items_of(values), {.memory_bytes = 500'000});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::Memory);
    EXPECT_TRUE(run_with(compiled("agg:hll(value)"), items_of(values), {.memory_bytes = 500'000}));
}

TEST(HllTest, IsExactForFewAndCloseForMany) {
    std::mt19937_64 random(21);
    for (const std::size_t count : {1u, 100u, 1024u, 1025u, 5'000u, 60'000u, 300'000u}) {
        std::vector<std::string> values;
        for (std::size_t item = 0; item < count; ++item) values.push_back(std::to_string(random()));
        auto items = items_of(values);
        const auto again = items_of(values);  // every value twice
        items.insert(items.end(), again.begin(), again.end());
        const double estimate = number_of(run_split("agg:hll(value)", items, random), "hll(value)");
        const auto truth = static_cast<double>(count);
        if (count <= 1024) {
            EXPECT_EQ(estimate, truth);
        } else {
            EXPECT_NEAR(estimate, truth, 4 * 0.0081 * truth) << count;  // four standard errors
        }
    }
}

/// The value of the rank that is asked for, which must be within 1/128.
double quantile_of(std::vector<double> numbers, double quantile) {
    std::ranges::sort(numbers);
    const double rank = std::ceil(quantile * static_cast<double>(numbers.size()));
    return numbers[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

TEST(QuantileTest, IsWithinItsErrorOfTheValueOfThatRank) {
    std::mt19937_64 random(31);
    std::lognormal_distribution<double> lognormal(3, 4);
    const std::vector<std::function<double()>> sources = {
        [&] { return lognormal(random); },
        [&] { return -lognormal(random); },
        [&] { return static_cast<double>(static_cast<std::int64_t>(random() % 2001)) - 1000; },
        [&] { return static_cast<double>(random() % 10); },
        [&] { return static_cast<double>(random()); },
        [&] { return std::ldexp(static_cast<double>(random() % 1000), -1070); },
    };
    for (const auto& source : sources) {
        for (const std::size_t count : {1u, 2u, 10u, 3000u}) {
            std::vector<double> all;
            const auto items = numbers(count, random, [&](auto&) {
                all.push_back(source());
                return fmt::format("{}", all.back());
            });
            const Result result =
                run_split("agg:quantile($,0),quantile($,0.001),p50($),p95($),p999($),quantile($,1)",
                          items, random);
            const std::pair<const char*, double> columns[] = {
                {"quantile($,0)", 0}, {"quantile($,0.001)", 0.001}, {"p50($)", 0.5},
                {"p95($)", 0.95},     {"p999($)", 0.999},           {"quantile($,1)", 1}};
            for (const auto& [column, quantile] : columns) {
                const double expected = quantile_of(all, quantile);
                EXPECT_NEAR(number_of(result, column), expected,
                            std::abs(expected) / 128 + std::numeric_limits<double>::min())
                    << column << " of " << count;
            }
        }
    }
}

TEST(QuantileTest, IsExactForSmallIntegersAndForTheEnds) {
    std::vector<std::string> values;
    for (int number = 1; number <= 100; ++number) values.push_back(std::to_string(number));
    EXPECT_EQ(rows_of(run("agg:p50($),p90($),p99($),quantile($,1)", items_of(values))),
              R"x(* {"p50($)":50,"p90($)":90,"p99($)":99,"quantile($,1)":100})x");
    EXPECT_EQ(rows_of(run("agg:p50($),p01($),p99($)",
                          items_of({"18446744073709551615", "-9223372036854775808", "0"}))),
              R"x(* {"p50($)":0,"p01($)":-9223372036854775808,"p99($)":18446744073709551615})x");
    EXPECT_EQ(rows_of(run("agg:p50($)", items_of({"1.7976931348623157e308", "-5e-324", "-0.0"}))),
              R"x(* {"p50($)":0})x");
    EXPECT_EQ(rows_of(run("agg:p50($),p50($.x)", items_of({"null", "\"5\"", "{}"}))),
              R"x(* {"p50($)":null,"p50($.x)":null})x");
}

TEST(HistogramTest, CountsByBucketInOrder) {
    EXPECT_EQ(
        rows_of(run("agg:histogram($,10)", items_of({"5", "-1", "12", "19.5", "\"x\"", "100"}))),
        R"x(* {"histogram($,10)":{"-10":1,"0":1,"10":2,"100":1}})x");
    EXPECT_EQ(rows_of(run("agg:histogram($,0.5)", items_of({"0.7", "1"}))),
              R"x(* {"histogram($,0.5)":{"0.5":1,"1":1}})x");
    EXPECT_EQ(rows_of(run("agg:histogram($,1),histogram($,2)", items_of({}))),
              R"x(* {"histogram($,1)":{},"histogram($,2)":{}})x");
}

TEST(TopTest, KeepsTheLargestOfEachGroup) {
    const auto items = items_of({R"({"g":1,"n":5})", R"({"g":1,"n":7})", R"({"g":2,"n":1})",
                                 R"({"g":1,"n":7})", R"({"g":1,"n":-2})", R"({"g":1,"n":"x"})"});
    EXPECT_EQ(rows_of(run("by:$.g|agg:topk(2,$.n)", items)),
              R"x(1 {"topk(2,$.n)":[{"key":"k1","value":7},{"key":"k3","value":7}]}|)x"
              R"x(2 {"topk(2,$.n)":[{"key":"k2","value":1}]})x");
}

TEST(HeavyTest, IsExactForFewValues) {
    const auto items = items_of({"\"a\"", "\"b\"", "\"a\"", "5", "5.0", "5", "null", "true"});
    EXPECT_EQ(rows_of(run("agg:heavy(2,$)", items)),
              R"x(* {"heavy(2,$)":[{"value":5,"count":3,"error":0},)x"
              R"x({"value":"a","count":2,"error":0}]})x");
}

TEST(HeavyTest, FindsFrequentValuesWithinItsError) {
    std::mt19937_64 random(41);
    for (int round = 0; round < 3; ++round) {
        std::map<std::string, int> truth;
        const auto items = numbers(60'000, random, [&truth](auto& source) {
            // A few frequent values among very many rare ones of several lengths.
            const auto value = source() % 4 == 0 ? fmt::format("hot{}", source() % 8)
                                                 : fmt::format("cold{}{}", source() % 40'000,
                                                               std::string(source() % 9, '.'));
            ++truth[value];
            return value;
        });
        const Result result = run_split("agg:heavy(8,value)", items, random);
        const std::string row = result.rows.at(0).value;
        std::set<std::string> found;
        std::string value;
        int count = 0;
        int error = 0;
        re2::StringPiece rest(row);
        while (re2::RE2::FindAndConsume(&rest, R"x("value":"([^"]+)","count":(\d+),"error":(\d+))x",
                                        &value, &count, &error)) {
            EXPECT_LE(count, truth[value]);
            EXPECT_GE(count + error, truth[value]);
            EXPECT_LE(error, 60'000 / 1025);
            found.insert(value);
        }
        for (int hot = 0; hot < 8; ++hot)
            EXPECT_TRUE(found.contains(fmt::format("hot{}", hot))) << row;
    }
}

TEST(HeavyTest, HoldsNoMoreMemoryHoweverManyValuesThereAre) {
    const auto program = compiled("agg:heavy(10,value)");
    const auto peak = [&program](std::size_t count) {
        std::vector<std::string> values;
        for (std::size_t item = 0; item < count; ++item)
            values.push_back(fmt::format("a value of its own, {}", item * 7919));
        const auto budget = std::make_shared<JobBudget>(JobLimits{});
        EXPECT_TRUE(map_items(program, items_of(values), budget).has_value());
        return budget->peak_bytes();
    };
    EXPECT_LE(peak(200'000), peak(10'000) + (64u << 10));
}

/// Every aggregate against the plainest computation of it, over random groups and random splits.
TEST(AggregateTest, AgreesWithANaiveReference) {
    std::mt19937_64 random(51);
    for (int round = 0; round < 10; ++round) {
        std::map<std::string, std::vector<std::int64_t>> groups;
        std::vector<std::string> values;
        for (auto left = random() % 3000; left > 0; --left) {
            const std::string group = fmt::format("g{}", random() % 12);
            const auto number = static_cast<std::int64_t>(random() % 120);
            groups[group].push_back(number);
            values.push_back(fmt::format(R"({{"g":"{}","n":{}}})", group, number));
        }
        const Result result = run_split(
            "by:$.g|agg:count,sum($.n),min($.n),max($.n),avg($.n),p50($.n),distinct($.n),hll($.n),"
            "histogram($.n,50),first($.n,$.n),last($.n,$.n)",
            items_of(values), random);
        ASSERT_EQ(result.rows.size(), groups.size());
        for (const Row& row : result.rows) {
            auto& numbers = groups[row.key];
            std::ranges::sort(numbers);
            std::int64_t sum = 0;
            std::map<std::int64_t, int> buckets;
            for (const std::int64_t number : numbers) {
                sum += number;
                ++buckets[number / 50 * 50];
            }
            std::string histogram;
            for (const auto& [bucket, count] : buckets)
                histogram +=
                    fmt::format("{}\"{}\":{}", histogram.empty() ? "" : ",", bucket, count);
            const std::size_t distinct = std::set(numbers.begin(), numbers.end()).size();
            const auto count = static_cast<std::int64_t>(numbers.size());
            EXPECT_EQ(
                row.value,
                fmt::format(
                    R"x({{"count":{},"sum($.n)":{},"min($.n)":{},"max($.n)":{},"avg($.n)":{},)x"
                    R"x("p50($.n)":{},"distinct($.n)":{},"hll($.n)":{},)x"
                    R"x("histogram($.n,50)":{{{}}},"first($.n,$.n)":{},"last($.n,$.n)":{}}})x",
                    count, sum, numbers.front(), numbers.back(),
                    static_cast<double>(sum) / static_cast<double>(count),
                    numbers[static_cast<std::size_t>((count + 1) / 2 - 1)], distinct, distinct,
                    histogram, numbers.front(), numbers.back()));
        }
    }
}

TEST(AggregateTest, ChargesSketchesToTheJob) {
    std::vector<std::string> values;
    for (int item = 0; item < 5000; ++item)
        values.push_back(fmt::format(R"({{"g":{},"n":{}e{}}})", item % 50, item, item % 300));
    for (const char* aggregate : {"p50($.n)", "distinct($.n)", "hll($.n)", "histogram($.n,1)",
                                  "heavy(5,$.n)", "topk(100,$.n)", "last(value,$.n)"}) {
        const auto program = compiled(fmt::format("by:$.g|agg:{}", aggregate));
        const auto budget = std::make_shared<JobBudget>(JobLimits{});
        {
            const auto partial = map_items(program, items_of(values), budget);
            ASSERT_TRUE(partial.has_value());
        }
        EXPECT_EQ(budget->used_bytes(), 0u) << aggregate;
        // Blocks, and what reading them takes, are smaller where the machine is busy.
        for (std::uint64_t bytes = budget->peak_bytes() / 2; bytes > 20'000; bytes -= bytes / 5) {
            const auto result = run_with(program, items_of(values), {.memory_bytes = bytes});
            ASSERT_FALSE(result.has_value()) << aggregate << " in " << bytes;
            EXPECT_EQ(result.error().kind, JobErrorKind::Memory);
        }
    }
}

TEST(AggregateTest, FailsWhenStringsOfExpressionsDoNotFit) {
    const auto result = run_with(compiled("by:lower(value)|agg:count"),
                                 items_of({std::string(60'000, 'X')}), {.memory_bytes = 110'000});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::Memory);
}

}  // namespace
}  // namespace shardmill::compute::test
