#ifndef __clang__
// g++ 12 warns of std::regex itself when it compiles for sanitizers.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>

#include "base/hash.h"
#include "compute/byte_search.h"
#include "compute/pattern_search.h"
#include "run.h"
#include "store/shard_set.h"

namespace shardmill::compute::test {
namespace {

TestItem item(std::string key, std::string value, std::uint32_t exptime = 0,
              std::uint32_t client_flags = 0) {
    return {.key = std::move(key),
            .value = std::move(value),
            .client_flags = client_flags,
            .exptime = exptime};
}

TEST(PrefixesTest, CountsUnderTheFirstDelimiter) {
    const std::vector<TestItem> items = {item("user:1:name", "ab", kNow + 10),
                                         item("user:2:name", "abc", kNow + 30), item("user:3", ""),
                                         item("plain", "xyz")};
    EXPECT_EQ(
        rows_of(run("prefixes", items)),
        R"(* {"count":1,"bytes":8,"expiring":0,"ttl_min":null,"ttl_avg":null,"ttl_max":null}|)"
        R"(user: {"count":3,"bytes":33,"expiring":2,"ttl_min":10,"ttl_avg":20,"ttl_max":30})");
}

TEST(PrefixesTest, GoesAsDeepAsAskedAndAsThereIs) {
    const std::vector<TestItem> items = {item("a--b--c", ""), item("a--d", ""), item("a--b--", "")};
    const Result result = run("prefixes:'--',2|order:-count", items);
    ASSERT_EQ(result.rows.size(), 2u);
    EXPECT_EQ(result.rows[0].key, "a--b--");
    EXPECT_EQ(result.rows[1].key, "a--");
}

TEST(PrefixesTest, RefusesOtherArguments) {
    EXPECT_EQ(refused("prefixes:7").text(),
              "prefixes: the delimiter must be a 'string' at character 10");
    EXPECT_EQ(refused("prefixes:''").text(),
              "prefixes: the delimiter must be a 'string' at character 10");
    EXPECT_EQ(refused("prefixes:':',0").text(),
              "prefixes: the depth must be from 1 to 250 at character 14");
    EXPECT_EQ(refused("prefixes:':',1,2").text(),
              "prefixes: takes at most 2 arguments at character 16");
}

TEST(SizesTest, PutsEverySizeIntoItsBucket) {
    std::vector<TestItem> items;
    for (const std::size_t size : {0, 1, 2, 3, 4, 7, 8, 1000})
        items.push_back(item(fmt::format("k{}", size), std::string(size, 'v')));
    EXPECT_EQ(rows_of(run("sizes", items)),
              R"(0 {"to":0,"count":1,"bytes":2,"percent":12.5}|)"
              R"(1 {"to":1,"count":1,"bytes":3,"percent":25}|)"
              R"(2 {"to":3,"count":2,"bytes":9,"percent":50}|)"
              R"(4 {"to":7,"count":2,"bytes":15,"percent":75}|)"
              R"(8 {"to":15,"count":1,"bytes":10,"percent":87.5}|)"
              R"(512 {"to":1023,"count":1,"bytes":1005,"percent":100})");
}

TEST(SizesTest, BucketsHaveNoGapsAndNoOverlaps) {
    for (const int steps : {1, 2, 4, 8, 16}) {
        std::vector<TestItem> items;
        for (std::size_t size = 0; size < 3000; ++size)
            items.push_back(item(fmt::format("{}", size), std::string(size, 'v')));
        std::uint64_t next = 0;
        for (const Row& row : run(fmt::format("sizes:{}", steps), items).rows) {
            std::uint64_t to = 0;
            std::uint64_t count = 0;
            ASSERT_EQ(std::stoull(row.key), next);
            ASSERT_EQ(std::sscanf(row.value.c_str(), R"({"to":%lu,"count":%lu)", &to, &count), 2);
            ASSERT_EQ(count, std::min<std::uint64_t>(to, 2999) - next + 1);
            ASSERT_TRUE(next < static_cast<std::uint64_t>(steps) ||
                        (to - next + 1) * static_cast<std::uint64_t>(steps) <= next);
            next = to + 1;
        }
        EXPECT_GE(next, 3000u);
    }
    EXPECT_EQ(refused("sizes:3").text(), "sizes: must be a power of two at character 7");
}

TEST(TtlsTest, SeparatesWhatNeverExpires) {
    const std::vector<TestItem> items = {item("a", "", kNow + 1), item("b", "", kNow + 59),
                                         item("c", "", kNow + 60), item("d", "v"),
                                         item("e", "", kNow + 90 * 86400)};
    EXPECT_EQ(rows_of(run("ttls", items)),
              R"(0 {"to":59,"count":2,"bytes":2}|60 {"to":299,"count":1,"bytes":1}|)"
              R"(2592000 {"to":null,"count":1,"bytes":1}|never {"to":null,"count":1,"bytes":2})");
    EXPECT_EQ(rows_of(run("ttls:59", items)),
              R"(0 {"to":58,"count":1,"bytes":1}|59 {"to":null,"count":3,"bytes":3}|)"
              R"(never {"to":null,"count":1,"bytes":2})");
    EXPECT_EQ(refused("ttls:5,5").text(),
              "ttls: ascending seconds are asked for: this one must be from 6 to 4294967295 at "
              "character 8");
}

TEST(GrepTest, ShowsTheLineOfTheFirstMatch) {
    const std::vector<TestItem> items = {
        item("log:1", "all well\nan ERROR 7 here\nand error"), item("log:2", "nothing"),
        item("error:3", "-"), item("log:4", std::string(100, 'x') + "error" + std::string(9, 'y'))};
    EXPECT_EQ(
        rows_of(run("grep:'(?i)error'", items)),
        R"(error:3 {"in":"key","offset":0,"matches":1,"text":"error:3"}|)"
        R"(log:1 {"in":"value","offset":12,"matches":2,"text":"an ERROR 7 here"}|)" +
            fmt::format(R"(log:4 {{"in":"value","offset":100,"matches":1,"text":"{}error{}"}})",
                        std::string(40, 'x'), std::string(9, 'y')));
    EXPECT_EQ(run("grep:'error'", items).rows.size(), 3u);
    EXPECT_EQ(rows_of(run("grep:'e|o',1", items)),
              R"(error:3 {"in":"key","offset":0,"matches":2,"text":"error:3"})");
    EXPECT_EQ(run("grep:'^x*$'", items).rows.size(), 0u);
    EXPECT_EQ(run("grep:'x*'", items).rows.size(), 4u);
}

TEST(GrepTest, RefusesWhatIsNoExpression) {
    EXPECT_EQ(refused("grep").text(),
              "grep: needs a regular expression, grep:'<regular expression>' at character 1");
    EXPECT_EQ(refused("grep:'a(b'").text(),
              "grep: not a regular expression: missing ): a(b at character 6");
    EXPECT_EQ(refused("grep:'a',0").text(),
              "grep: the limit must be from 1 to 1000000 at character 10");
}

TEST(GrepTest, IsBoundedByTheJobsMemoryAndGroups) {
    const auto items = items_of(std::vector<std::string>(500, std::string(300, 'a')));
    const auto rows = run_with(compiled("grep:'a'"), items, {.groups = 99});
    ASSERT_FALSE(rows.has_value());
    EXPECT_EQ(rows.error().message, "more than 99 groups");
    EXPECT_EQ(run_with(compiled("grep:'a',9"), items, {.groups = 99})->rows.size(), 9u);
    const auto memory = run_with(compiled("export"), items, {.memory_bytes = 150'000});
    ASSERT_FALSE(memory.has_value());
    EXPECT_EQ(memory.error().kind, JobErrorKind::Memory);
}

TEST(ByteSearchTest, FindsWhatAPlainSearchFinds) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 20'000; ++round) {
        std::string text(random() % 200, '\0');
        for (char& byte : text) byte = static_cast<char>("abAB@"[random() % 5]);
        std::string needle(1 + random() % 4, '\0');
        for (char& byte : needle) byte = static_cast<char>("ab@"[random() % 3]);
        const std::size_t from = random() % 100;
        EXPECT_EQ(ByteSearch(needle, ByteSearch::Case::Exact).find(text, from),
                  text.find(needle, from));
        std::string lowered = text;
        std::transform(lowered.begin(), lowered.end(), lowered.begin(), ::tolower);
        EXPECT_EQ(ByteSearch(needle, ByteSearch::Case::Fold).find(text, from),
                  lowered.find(needle, from));
    }
}

TEST(PatternSearchTest, ItsShortcutsMissNothing) {
    std::mt19937_64 random(6);
    for (const char* pattern :
         {"abc", "(?i)abc", "ab+c", "abc.*cab", "(abc|bca)+", "a..b", "[ab]{4}", "(?i)abcA|bbb|ccc",
          "abc$", "^abc", "\\x61bc", "abca?", "x?"}) {
        const PatternSearch search(pattern);
        const bool folds = std::string(pattern).starts_with("(?i)");
        const std::regex reference(std::string(pattern).substr(folds ? 4 : 0),
                                   folds ? std::regex::icase : std::regex::ECMAScript);
        for (int round = 0; round < 2000; ++round) {
            std::string text(random() % 80, '\0');
            for (char& byte : text) byte = static_cast<char>("abcABC"[random() % 6]);
            std::smatch match;
            const bool found = std::regex_search(text, match, reference);
            const auto mine = search.find(text);
            ASSERT_EQ(mine.has_value(), found) << pattern << " in " << text;
            if (found) {
                ASSERT_EQ(mine->start, static_cast<std::size_t>(match.position()))
                    << pattern << " in " << text;
            }
        }
    }
}

TEST(ExportTest, GivesItemsByteForByte) {
    const std::string binary("\0\xff\r\n\"", 5);
    const Result result =
        run("export", {item("k2", binary, kNow + 60, 77), item("k1", ""), item("k3", "x", 0, 1)});
    ASSERT_EQ(result.rows.size(), 3u);
    EXPECT_EQ(result.rows[0].key, "k1");
    EXPECT_EQ(result.rows[0].value, "");
    EXPECT_EQ(result.rows[1].value, binary);
    EXPECT_EQ(result.rows[1].client_flags, 77u);
    EXPECT_EQ(result.rows[1].exptime, kNow + 60);
    EXPECT_EQ(result.rows[2].exptime, 0u);
    EXPECT_EQ(run("export|order:-size|limit:1", items_of({"a", "bbb", "cc"})).rows[0].value, "bbb");
}

/// Items in a real store, whose index knows of their use.
class ItemUseTest : public testing::Test {
 protected:
    static constexpr std::uint32_t kStored = 5'000'000;
    static constexpr std::uint32_t kCut = kStored + 400;
    static std::uint32_t clock() noexcept { return kCut; }

    void store(const std::string& key) {
        const std::uint64_t hash = base::hash_key(key);
        const auto guard = shards_.lock(shards_.shard_of(hash));
        const store::NewItem fresh{.key = {key, hash}, .value_head = "v"};
        const auto present = guard->find(fresh.key, kStored);
        ASSERT_TRUE(guard->put(fresh, present ? &*present : nullptr, kStored).has_value());
    }
    void read(const std::string& key, std::uint32_t now) {
        const std::uint64_t hash = base::hash_key(key);
        const auto guard = shards_.lock(shards_.shard_of(hash));
        const auto found = guard->find({key, hash}, now);
        ASSERT_TRUE(found.has_value());
        guard->bump(*found, now);
    }
    /// `between` happens after the cut.
    template <typename Between>
    std::string rows(const char* pipeline, Between&& between) {
        shards_.begin_cut(kCut);
        std::vector<store::ShardCut> cuts;
        for (std::uint32_t shard = 0; shard < shards_.size(); ++shard)
            cuts.push_back(shards_.collect_cut(shard));
        between();
        auto partial = Partial::start(compiled(pipeline), std::make_shared<JobBudget>(JobLimits{}),
                                      {.shards = &shards_, .clock = &clock});
        const std::atomic<bool> stop{false};
        for (store::ShardCut& cut : cuts) {
            for (const store::PinnedSegment& segment : cut.segments) {
                EXPECT_TRUE(segment.claim());
                EXPECT_TRUE(partial->map(segment, kCut, stop).has_value());
            }
            shards_.release_cut(cut.segments);
        }
        return rows_of(*partial->finish());
    }
    std::string rows(const char* pipeline) {
        return rows(pipeline, [] {});
    }

    store::ShardSet shards_{{.memory_limit = 64u << 20, .shards = 4}};
};

TEST_F(ItemUseTest, IdleCountsFromStoringOrReading) {
    for (const char* key : {"a", "b", "c"}) store(key);
    read("b", kCut - 10);
    EXPECT_EQ(rows("idle"),
              R"(0 {"to":59,"count":1,"bytes":2}|300 {"to":899,"count":2,"bytes":4})");
}

TEST_F(ItemUseTest, IdleSaysOfWhatItDoesNotKnow) {
    store("a");
    store("b");
    EXPECT_EQ(rows("idle", [this] { store("a"); }),
              R"(300 {"to":899,"count":1,"bytes":2}|unknown {"to":null,"count":1,"bytes":2})");
}

TEST_F(ItemUseTest, HotShowsTheMostReadFirst) {
    for (const char* key : {"never", "once", "twice", "lately"}) store(key);
    read("once", kCut - 30);
    read("twice", kCut - 40);
    read("twice", kCut - 20);
    read("lately", kCut - 5);
    EXPECT_EQ(
        rows("hot"),
        R"(twice {"frequency":2,"idle":20,"size":1}|lately {"frequency":1,"idle":5,"size":1}|)"
        R"(once {"frequency":1,"idle":30,"size":1})");
    EXPECT_EQ(rows("hot:1"), R"(twice {"frequency":2,"idle":20,"size":1})");
}

}  // namespace
}  // namespace shardmill::compute::test
