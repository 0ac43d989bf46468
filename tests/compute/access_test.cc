#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "base/hash.h"
#include "run.h"
#include "store/shard_set.h"

namespace shardmill::compute::test {
namespace {

constexpr std::uint32_t kStart = 1'700'000'000;

base::UnixSeconds an_hour_later() noexcept { return kStart + 3600; }

/// Items in real shards, whose indexes know when they were read.
class AccessTest : public testing::Test {
 protected:
    store::HashedKey hashed(std::string_view key) { return {key, base::hash_key(key)}; }
    std::uint32_t shard_of(std::string_view key) { return shards_.shard_of(hashed(key).hash); }

    void set(std::string_view key, std::uint32_t now) {
        auto shard = shards_.lock(shard_of(key));
        const auto existing = shard->find(hashed(key), now);
        ASSERT_TRUE(shard->put({.key = hashed(key), .value_head = "value"},
                               existing ? &*existing : nullptr, now));
    }
    void get(std::string_view key, std::uint32_t now) {
        auto shard = shards_.lock(shard_of(key));
        const auto found = shard->find(hashed(key), now);
        ASSERT_TRUE(found);
        shard->bump(*found, now);
    }

    /// Between the cut and the reading of it `meanwhile` happens.
    std::string run(std::string_view pipeline, auto&& meanwhile) {
        const std::uint32_t now = an_hour_later();
        const auto budget = std::make_shared<JobBudget>(JobLimits{});
        auto partial = Partial::start(compiled(pipeline), budget,
                                      {.shards = &shards_, .clock = an_hour_later});
        shards_.begin_cut(now);
        std::vector<store::ShardCut> cuts;
        for (std::uint32_t shard = 0; shard < shards_.size(); ++shard)
            cuts.push_back(shards_.collect_cut(shard));
        meanwhile();
        const std::atomic<bool> stop{false};
        for (const store::ShardCut& cut : cuts) {
            for (const store::PinnedSegment& segment : cut.segments) {
                EXPECT_TRUE(segment.claim());
                EXPECT_TRUE(partial->map(segment, now, stop).has_value());
            }
            shards_.release_cut(cut.segments);
        }
        const auto result = partial->finish();
        return result ? rows_of(*result) : result.error().message;
    }
    std::string run(std::string_view pipeline) {
        return run(pipeline, [] {});
    }

    store::ShardSet shards_{{.memory_limit = 64u << 20, .shards = 4}};
};

TEST_F(AccessTest, KnowsWhenItemsWereLastRead) {
    for (const char* key : {"a", "b", "c", "d"}) set(key, kStart);
    get("b", kStart + 600);
    get("c", kStart + 3595);
    EXPECT_EQ(
        run("by:key|agg:max(idle)"),
        R"x(a {"max(idle)":3600}|b {"max(idle)":3000}|c {"max(idle)":5}|d {"max(idle)":3600})x");
    EXPECT_EQ(run("where:idle>=3600|by:key|agg:count"), R"x(a {"count":1}|d {"count":1})x");
    EXPECT_EQ(run("where:(idle<10||key='a')|by:key|agg:count"), R"x(a {"count":1}|c {"count":1})x");
    EXPECT_EQ(run("by:fetched|agg:count"), R"x(false {"count":2}|true {"count":2})x");
}

TEST_F(AccessTest, KnowsNothingOfItemsThatAreNotWhereTheyWere) {
    for (const char* key : {"kept", "read", "replaced", "removed"}) set(key, kStart);
    const std::string rows = run("by:key|agg:max(idle)", [this] {
        set("replaced", an_hour_later());
        get("read", an_hour_later() + 1);
        auto shard = shards_.lock(shard_of("removed"));
        shard->erase(*shard->find(hashed("removed"), kStart));
    });
    EXPECT_EQ(rows, R"x(kept {"max(idle)":3600}|read {"max(idle)":0}|removed {"max(idle)":null}|)x"
                    R"x(replaced {"max(idle)":null})x");
}

TEST_F(AccessTest, SaysNullWithoutAnIndex) {
    EXPECT_EQ(rows_of(test::run("where:!exists(idle)&!exists(fetched)|agg:count", {{.key = "a"}})),
              R"x(* {"count":1})x");
}

}  // namespace
}  // namespace shardmill::compute::test
