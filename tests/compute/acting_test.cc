#include "compute/acting_kernels.h"

#include "compute/acting_kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run.h"

namespace shardmill::compute::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> keys_of(const std::vector<kernel::Item>& items) {
    std::vector<std::string> keys;
    for (const kernel::Item& item : items) keys.emplace_back(kernel::key_of(item));
    return keys;
}

TEST(ActingTest, APipelineThatActsSaysWhatIsToBeDone) {
    EXPECT_FALSE(compiled("agg:count")->action());
    EXPECT_FALSE(compiled("wordcount")->action());
    EXPECT_EQ(compiled("prefix:a|delete")->action()->kind, Action::Kind::Delete);
    const auto touch = compiled("touch:-1")->action();
    EXPECT_EQ(touch->kind, Action::Kind::Touch);
    EXPECT_EQ(touch->ttl, -1);
    EXPECT_EQ(compiled("copy:'new:'")->action()->prefix, "new:");
    EXPECT_FALSE(compiled("copy:'new:'")->action()->ttl);
    EXPECT_EQ(compiled("copy:'new:',60")->action()->ttl, 60);
}

TEST(ActingTest, RefusesWrongArguments) {
    EXPECT_THAT(refused("delete:1").text(), HasSubstr("has no arguments at character 8"));
    EXPECT_THAT(refused("touch").text(), HasSubstr("touch:<seconds>"));
    EXPECT_THAT(refused("touch:99999999999").text(), HasSubstr("number of seconds"));
    EXPECT_THAT(refused("copy").text(), HasSubstr("copy:'<prefix>'"));
    EXPECT_THAT(refused("copy:''").text(), HasSubstr("1 to 249 bytes"));
    EXPECT_THAT(refused("copy:$.a").text(), HasSubstr("in quotes"));
    EXPECT_THAT(refused("copy:'a',$.b").text(), HasSubstr("at character 10"));
}

TEST(ActingTest, PicksTheItemsThatMatchUntilTheyAreTaken) {
    const auto program = compiled("where:$.a>1|delete");
    auto partial = map_items(program, items_of({R"({"a":1})", R"({"a":2})", R"({"a":3})"}),
                             std::make_shared<JobBudget>(JobLimits{}));
    ASSERT_TRUE(partial);
    const auto picked = partial->take_picked();
    EXPECT_EQ(picked.size(), 2u);
    EXPECT_TRUE(partial->take_picked().empty());
    EXPECT_EQ(partial->counters().matched, 2u);
}

TEST(MapSomeTest, StopsBehindTheItemsAskedForAndGoesOnThere) {
    SegmentBuilder builder;
    for (int n = 0; n < 700; ++n) builder.add({.key = std::to_string(n), .value = "v"});
    const auto segment = builder.pin();
    const std::atomic<bool> stop{false};
    auto partial =
        Partial::start(compiled("prefix:1|delete"), std::make_shared<JobBudget>(JobLimits{}));
    store::SegmentCursor cursor;
    ASSERT_FALSE(*partial->map_some(segment, kNow, stop, cursor, 1));
    EXPECT_EQ(partial->counters().scanned, 1u);
    ASSERT_FALSE(*partial->map_some(segment, kNow, stop, cursor, 10));
    EXPECT_EQ(partial->counters().scanned, 11u);
    EXPECT_THAT(keys_of(partial->take_picked()), ElementsAre("1", "10"));
    ASSERT_TRUE(*partial->map_some(segment, kNow, stop, cursor, 1000));
    EXPECT_EQ(partial->counters().scanned, 700u);
    EXPECT_EQ(partial->take_picked().size(), 109u);
    EXPECT_EQ(partial->counters().selected, 111u);
    EXPECT_EQ(partial->counters().selected_bytes, 1 * 2u + 10 * 3u + 100 * 4u);
}

}  // namespace
}  // namespace shardmill::compute::test
