#include "compute/program.h"

#include <gtest/gtest.h>

#include "run.h"

namespace shardmill::compute::test {
namespace {

const std::vector<TestItem> kOrders = {
    {.key = "order:1", .value = R"({"country":"de","amount":12})"},
    {.key = "order:2", .value = R"({"country":"fr","amount":30})"},
    {.key = "order:3", .value = R"({"country":"de","amount":9})"},
    {.key = "order:4", .value = R"({"country":"de","amount":100})"},
    {.key = "user:1", .value = "not json"},
};

TEST(ProgramTest, RunsThePipelineOfTheDesign) {
    const Result result =
        run("where:$.amount>10|by:$.country|agg:sum($.amount),count|order:-sum|limit:10", kOrders,
            {.prefix = "order:"});
    EXPECT_EQ(rows_of(result),
              R"x(de {"sum($.amount)":112,"count":2}|fr {"sum($.amount)":30,"count":1})x");
    EXPECT_EQ(result.counters.scanned, 5u);
    EXPECT_EQ(result.counters.matched, 3u);
    EXPECT_EQ(result.counters.failed, 0u);
}

TEST(ProgramTest, CountsAsFailedWhatIsNotJson) {
    const Result result = run("agg:sum($.amount)", kOrders);
    EXPECT_EQ(rows_of(result), R"x(* {"sum($.amount)":151})x");
    EXPECT_EQ(result.counters.matched, 4u);
    EXPECT_EQ(result.counters.failed, 1u);
}

TEST(ProgramTest, CountsWords) {
    const Result result = run("wordcount", items_of({"The mill turns, the mill", "x"}));
    EXPECT_EQ(rows_of(result),
              R"(mill {"count":2}|the {"count":2}|turns {"count":1}|x {"count":1})");
}

TEST(ProgramTest, FindsTheLargest) {
    const Result result = run("prefix:order:|topk:2,$.amount", kOrders);
    EXPECT_EQ(rows_of(result), R"(order:4 {"$.amount":100}|order:2 {"$.amount":30})");
}

}  // namespace
}  // namespace shardmill::compute::test
