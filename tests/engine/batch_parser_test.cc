#include "engine/batch_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardmill::engine {
namespace {

using ::testing::HasSubstr;

BatchCommand parsed(std::string_view line, std::string_view payload = {}) {
    const auto command = parse_batch(line, payload);
    EXPECT_TRUE(command) << line << ": " << (command ? "" : command.error());
    return command.value_or(BatchCommand{});
}

TEST(BatchParserTest, KnowsEveryVerb) {
    EXPECT_EQ(parsed("run count").verb, BatchVerb::Run);
    EXPECT_EQ(parsed("plan count").verb, BatchVerb::Plan);
    EXPECT_EQ(parsed("stat 1-1").verb, BatchVerb::Stat);
    EXPECT_EQ(parsed("wait 1-1").verb, BatchVerb::Wait);
    EXPECT_EQ(parsed("get 1-1").verb, BatchVerb::Get);
    EXPECT_EQ(parsed("stop 1-1").verb, BatchVerb::Stop);
    EXPECT_EQ(parsed("drop 1-1").verb, BatchVerb::Drop);
    EXPECT_EQ(parsed("list").verb, BatchVerb::List);
    EXPECT_EQ(parsed("kernels").verb, BatchVerb::Kernels);
}

TEST(BatchParserTest, TakesThePipelineAndEveryOption) {
    const BatchCommand command = parsed(
        "run where:$.a=1|agg:count prefix=pkg: glob=*x* name=n-1 limit=3 wait=10 deadline=20 "
        "memory=2m groups=4 "
        "errors=5");
    EXPECT_EQ(command.argument, "where:$.a=1|agg:count");
    EXPECT_EQ(command.prefix, "pkg:");
    EXPECT_EQ(command.glob, "*x*");
    EXPECT_EQ(command.name, "n-1");
    EXPECT_EQ(command.limit, 3u);
    EXPECT_EQ(command.wait, std::chrono::milliseconds(10));
    EXPECT_EQ(command.deadline, std::chrono::milliseconds(20));
    EXPECT_EQ(command.memory, 2u << 20);
    EXPECT_EQ(command.groups, 4u);
    EXPECT_EQ(command.errors, 5u);
    EXPECT_EQ(parsed("wait 1-1 timeout=7").timeout, std::chrono::milliseconds(7));
    EXPECT_EQ(parsed("get 1-1 from=7 rows=8").from, 7u);
    EXPECT_EQ(parsed("get 1-1 from=7 rows=8").rows, 8u);
}

TEST(BatchParserTest, RunsOfSpacesSeparate) {
    EXPECT_EQ(parsed("run   agg:count    limit=3  ").limit, 3u);
}

TEST(BatchParserTest, TakesThePipelineFromThePayload) {
    const BatchCommand command = parsed("run - payload=20 limit=1", "where:$.a='x y'|agg:count");
    EXPECT_EQ(command.argument, "where:$.a='x y'|agg:count");
    EXPECT_EQ(command.limit, 1u);
}

TEST(BatchParserTest, RefusalsSayWhatIsWrongAndWhere) {
    const struct {
        const char* line;
        const char* what;
        const char* where;
    } cases[] = {
        {"", "unknown batch verb ''", "at character 7"},
        {"fly", "unknown batch verb 'fly'", "at character 7"},
        {"run", "needs a pipeline", "at character 10"},
        {"stat", "needs a job", "at character 11"},
        {"run agg:count color=red", "no option 'color'", "at character 21"},
        {"run agg:count timeout=3", "no option 'timeout'", "at character 21"},
        {"run agg:count limit", "'limit' needs =<value>", "at character 21"},
        {"run agg:count limit=x", "'limit' needs a number", "at character 27"},
        {"run agg:count limit=-1", "'limit' needs a number", "at character 27"},
        {"run agg:count wait=soon", "time in milliseconds", "at character 26"},
        {"run agg:count memory=2x", "size in bytes", "at character 28"},
        {"run agg:count name=a/b", "letters, digits", "at character 26"},
        {"get 1-1 rows=0", "needs a number from 1", "at character 20"},
        {"list all", "no option 'all'", "at character 12"},
        {"run -", "payload=<bytes>", ""},
    };
    for (const auto& test : cases) {
        const auto command = parse_batch(test.line, {});
        ASSERT_FALSE(command) << test.line;
        EXPECT_THAT(command.error(), HasSubstr(test.what)) << test.line;
        EXPECT_THAT(command.error(), HasSubstr(test.where)) << test.line;
    }
}

}  // namespace
}  // namespace shardmill::engine
