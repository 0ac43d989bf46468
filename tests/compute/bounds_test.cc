#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "run.h"

namespace shardmill::compute::test {
namespace {

std::vector<TestItem> many_items(int count) {
    std::vector<std::string> values;
    for (int item = 0; item < count; ++item)
        values.push_back("{\"n\":" + std::to_string(item) + "}");
    return items_of(values);
}

TEST(BoundsTest, FailsWhenThereAreTooManyGroups) {
    for (const char* pipeline : {"by:$.n|agg:count|limit:1", "wordcount", "topk:600,$.n"}) {
        const auto result = run_with(compiled(pipeline), many_items(600), {.groups = 500});
        ASSERT_FALSE(result.has_value()) << pipeline;
        EXPECT_EQ(result.error().kind, JobErrorKind::Groups) << pipeline;
        EXPECT_EQ(result.error().message, "more than 500 groups") << pipeline;
    }
}

TEST(BoundsTest, AllowsAsManyGroupsAsTheBoundSays) {
    for (const char* pipeline : {"by:$.n|agg:count|limit:1", "wordcount:key", "topk:600,$.n"}) {
        EXPECT_TRUE(run_with(compiled(pipeline), many_items(600), {.groups = 600}).has_value())
            << pipeline;
    }
}

TEST(BoundsTest, CountsGroupsAcrossMergedPartials) {
    const auto program = compiled("by:key|agg:count");
    const auto budget = std::make_shared<JobBudget>(JobLimits{.groups = 3});
    auto first = map_items(program, {{.key = "a"}, {.key = "b"}}, budget);
    auto second = map_items(program, {{.key = "c"}, {.key = "b"}}, budget);
    auto third = map_items(program, {{.key = "d"}}, budget);
    ASSERT_TRUE(first && second && third);
    EXPECT_TRUE(first->merge(std::move(*second)).has_value());
    const auto merged = first->merge(std::move(*third));
    ASSERT_FALSE(merged.has_value());
    EXPECT_EQ(merged.error().kind, JobErrorKind::Groups);
}

TEST(BoundsTest, FailsWhenMemoryIsUsedUp) {
    for (const char* pipeline : {"by:$.n|agg:count,max(value)", "wordcount", "topk:100000,$.n"}) {
        const auto result =
            run_with(compiled(pipeline), many_items(20'000), {.memory_bytes = 400'000});
        ASSERT_FALSE(result.has_value()) << pipeline;
        EXPECT_EQ(result.error().kind, JobErrorKind::Memory) << pipeline;
        EXPECT_EQ(result.error().message, "needs more than 400000 bytes of memory") << pipeline;
    }
}

/// Fields are taken where they lie; only what has to be written anew takes memory.
TEST(BoundsTest, FailsWhenOneStringIsTooLargeToUnescape) {
    const std::string plain = R"({"v":")" + std::string(1u << 20, 'p') + "\"}";
    const std::string escaped = R"({"v":"\n)" + std::string(1u << 20, 'p') + "\"}";
    const auto program = compiled("agg:sum(len($.v))");
    const JobLimits limits{.memory_bytes = 1u << 20};
    EXPECT_TRUE(run_with(program, items_of({plain}), limits).has_value());
    const auto result = run_with(program, items_of({plain, escaped}), limits);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::Memory);
}

TEST(BoundsTest, FailsWhenTheResultDoesNotFit) {
    const auto program = compiled("by:$.n|agg:count");
    const auto items = many_items(20'000);
    const auto budget = std::make_shared<JobBudget>(JobLimits{});
    std::uint64_t mapped_bytes = 0;
    {
        const auto partial = map_items(program, items, budget);
        ASSERT_TRUE(partial.has_value());
        mapped_bytes = budget->peak_bytes();
    }
    const auto result = run_with(program, items, {.memory_bytes = mapped_bytes + 100'000});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::Memory);
}

TEST(BoundsTest, GivesMemoryBackAndRemembersThePeak) {
    const auto budget = std::make_shared<JobBudget>(JobLimits{});
    for (const char* pipeline : {"by:$.n|agg:count", "wordcount", "topk:50,$.n"}) {
        const auto partial = map_items(compiled(pipeline), many_items(5000), budget);
        ASSERT_TRUE(partial.has_value());
        EXPECT_GT(budget->used_bytes(), 10'000u);
    }
    EXPECT_EQ(budget->used_bytes(), 0u);
    EXPECT_GT(budget->peak_bytes(), 100'000u);
}

TEST(BoundsTest, RefusesGroupsLongerThanAKey) {
    const std::string longest(kMaxRowKeyBytes, 'g');
    EXPECT_EQ(run("by:value|agg:count", items_of({longest})).rows.at(0).key, longest);
    EXPECT_EQ(run("wordcount", items_of({longest})).rows.at(0).key, longest);
    for (const char* pipeline : {"by:value|agg:count", "by:value,key|agg:count"}) {
        const auto result = run_with(compiled(pipeline), items_of({longest + "g"}), {});
        ASSERT_FALSE(result.has_value());
        EXPECT_EQ(result.error().kind, JobErrorKind::OutOfRange);
    }
    const auto result = run_with(compiled("wordcount"), items_of({longest + "g"}), {});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::Kernel);
    EXPECT_EQ(result.error().message, "wordcount: a word of more than 65535 bytes");
}

TEST(BoundsTest, StopsWhenToldTo) {
    SegmentBuilder builder;
    for (const TestItem& item : many_items(1000)) builder.add(item);
    const store::PinnedSegment segment = builder.pin();
    const std::atomic<bool> stop{true};
    auto partial = Partial::start(compiled("agg:count"), std::make_shared<JobBudget>(JobLimits{}));
    ASSERT_TRUE(partial.has_value());
    const auto mapped = partial->map(segment, kNow, stop);
    ASSERT_FALSE(mapped.has_value());
    EXPECT_EQ(mapped.error().kind, JobErrorKind::Cancelled);
    EXPECT_EQ(partial->counters().scanned, 0u);
}

TEST(BoundsTest, LooksAtWhatWasLiveAtTheCutOnly) {
    SegmentBuilder builder;
    builder.add({.key = "live", .value = "12345"});
    builder.add({.key = "dead", .value = "1", .header_bits = store::ItemHeader::kDead});
    builder.add({.key = "expired", .value = "1", .exptime = kNow});
    const std::uint32_t noted = builder.add({.key = "noted", .value = "1"});
    builder.add({.key = "later", .value = "1", .exptime = kNow + 1});
    builder.note_dead(noted);
    const store::PinnedSegment segment = builder.pin();
    const std::atomic<bool> stop{false};
    auto partial =
        Partial::start(compiled("by:key|agg:count"), std::make_shared<JobBudget>(JobLimits{}));
    ASSERT_TRUE(partial->map(segment, kNow, stop).has_value());
    const auto result = partial->finish();
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(rows_of(*result), R"(later {"count":1}|live {"count":1})");
    EXPECT_EQ(result->counters.scanned, 2u);
    EXPECT_EQ(result->counters.bytes, 16u + 16u);  // 4 + 4 + 5 and 4 + 4 + 5 + 1, rounded
}

}  // namespace
}  // namespace shardmill::compute::test
