#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "run.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute::test {
namespace {

const char* const kEveryReducer[] = {
    "wordcount",
    "wordcount:$.text",
    "topk:7,$.n",
    "prefixes:'1'",
    "sizes:4",
    "ttls",
    "idle:5",
    "hot:3",
    "grep:'Word1[0-4]'",
    "grep:'Word2',9",
    "export",
    "by:$.g|agg:count,sum($.n),min($.text),max($.n),avg($.d)",
    "agg:count,max($.text)",
    "by:$.g|agg:p50($.n),quantile($.d,0.99),distinct($.n),hll($.n),histogram($.n,7)",
    "by:$.g|agg:heavy(3,$.n),topk(3,$.n),first($.text,$.n),last($.n,$.text)|having:last>3",
};

std::vector<TestItem> random_items(std::mt19937_64& random, std::size_t count,
                                   const std::string& prefix) {
    std::vector<TestItem> items;
    for (std::size_t item = 0; item < count; ++item) {
        std::string text;
        for (auto words = random() % 8; words > 0; --words)
            text += fmt::format("Word{} ", random() % 30);
        items.push_back({.key = fmt::format("{}{}", prefix, item),
                         .value = fmt::format(R"({{"g":"g{}","n":{},"d":{}.25,"text":"{}"}})",
                                              random() % 9, random() % 50, random() % 1000, text)});
    }
    return items;
}

class ReducerTest : public testing::TestWithParam<const char*> {
 protected:
    Partial mapped(const std::vector<TestItem>& items) {
        auto partial = map_items(program_, items, budget_);
        EXPECT_TRUE(partial.has_value());
        return std::move(*partial);
    }
    Partial empty() { return mapped({}); }
    Partial reloaded(Partial& partial) {
        const auto bytes = partial.save();
        EXPECT_TRUE(bytes.has_value());
        Partial copy = empty();
        EXPECT_TRUE(copy.load(*bytes).has_value());
        return copy;
    }
    static std::string finished(Partial& partial) {
        const auto result = partial.finish();
        EXPECT_TRUE(result.has_value());
        if (!result) return "";
        const Counters& counters = result->counters;
        return fmt::format("{} {} {} {}: {}", counters.scanned, counters.matched, counters.failed,
                           counters.bytes, rows_of(*result));
    }

    SharedProgram program_ = compiled(GetParam());
    std::shared_ptr<JobBudget> budget_ = std::make_shared<JobBudget>(JobLimits{});
};

TEST_P(ReducerTest, MergesInAnyOrderAndGrouping) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 20; ++round) {
        const auto a = random_items(random, random() % 300, "a");
        const auto b = random_items(random, random() % 300, "b");
        const auto c = random_items(random, random() % 300, "c");
        auto all = a;
        all.insert(all.end(), b.begin(), b.end());
        all.insert(all.end(), c.begin(), c.end());
        Partial whole = mapped(all);
        const std::string expected = finished(whole);

        Partial left = mapped(a);
        ASSERT_TRUE(left.merge(mapped(b)).has_value());
        ASSERT_TRUE(left.merge(mapped(c)).has_value());
        EXPECT_EQ(finished(left), expected);

        Partial inner = mapped(b);
        ASSERT_TRUE(inner.merge(mapped(c)).has_value());
        Partial right = mapped(a);
        ASSERT_TRUE(right.merge(std::move(inner)).has_value());
        EXPECT_EQ(finished(right), expected);

        Partial backwards = empty();
        ASSERT_TRUE(backwards.merge(mapped(c)).has_value());
        ASSERT_TRUE(backwards.merge(empty()).has_value());
        ASSERT_TRUE(backwards.merge(mapped(b)).has_value());
        ASSERT_TRUE(backwards.merge(mapped(a)).has_value());
        EXPECT_EQ(finished(backwards), expected);
    }
}

TEST_P(ReducerTest, SurvivesSaveAndLoad) {
    std::mt19937_64 random(12);
    const auto a = random_items(random, 200, "a");
    const auto b = random_items(random, 200, "b");
    auto all = a;
    all.insert(all.end(), b.begin(), b.end());
    Partial whole = mapped(all);

    Partial first = mapped(a);
    Partial second = mapped(b);
    Partial copy = reloaded(first);
    const auto bytes = second.save();
    ASSERT_TRUE(bytes.has_value());
    ASSERT_TRUE(copy.load(*bytes).has_value());
    Partial again = reloaded(copy);
    EXPECT_EQ(finished(again), finished(whole));
}

TEST_P(ReducerTest, RefusesOrSurvivesDamagedBytes) {
    std::mt19937_64 random(13);
    Partial source = mapped(random_items(random, 100, "a"));
    const auto saved = source.save();
    ASSERT_TRUE(saved.has_value());
    for (std::size_t cut = 0; cut < saved->size(); cut += 1 + saved->size() / 300) {
        Partial target = empty();
        const auto loaded = target.load(std::string_view(*saved).substr(0, cut));
        if (!loaded) {
            EXPECT_EQ(loaded.error().kind, JobErrorKind::BadPartial);
        }
    }
    for (int round = 0; round < 500; ++round) {
        std::string damaged = *saved;
        for (auto changes = 1 + random() % 4; changes > 0; --changes) {
            damaged[random() % damaged.size()] = static_cast<char>(random());
        }
        Partial target = empty();
        if (target.load(damaged)) {
            (void)target.finish();
        }
    }
    Partial target = empty();
    EXPECT_FALSE(target.load(*saved + "x").has_value());
}

TEST_P(ReducerTest, RefusesPartialsOfOtherPipelines) {
    auto other = map_items(compiled("agg:count,sum(size)"), {}, budget_);
    const auto saved = other->save();
    ASSERT_TRUE(saved.has_value());
    Partial target = empty();
    const auto loaded = target.load(*saved);
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().message, "not a saved partial of this pipeline");
}

INSTANTIATE_TEST_SUITE_P(Built, ReducerTest, testing::ValuesIn(kEveryReducer));

TEST(WordcountTest, SplitsAndLowersAsDocumented) {
    EXPECT_EQ(rows_of(run("wordcount", items_of({"It's 2nd-hand: IT",
                                                 "\xc3\x9c"
                                                 "ber \xc3\x9c"
                                                 "BER x_y"}))),
              "2nd {\"count\":1}|hand {\"count\":1}|it {\"count\":2}|s {\"count\":1}|x "
              "{\"count\":1}|y {\"count\":1}|"
              "\xc3\x9c"
              "ber {\"count\":2}");
    EXPECT_EQ(rows_of(run("wordcount:$.t", items_of({R"({"t":"a b"})", R"({"t":5})", "{}"}))),
              R"(a {"count":1}|b {"count":1})");
    EXPECT_EQ(rows_of(run("wordcount|order:-count|limit:1", items_of({"x y x"}))),
              R"(x {"count":2})");
}

TEST(WordcountTest, AgreesWithTheReferenceOverRandomBytes) {
    std::mt19937_64 random(3);
    static constexpr std::string_view kBytes = "aAbB09 ,.-_\n\t\x80\xff\xc3";
    std::vector<std::string> values(4000);
    std::map<std::string, int> reference;
    for (std::string& value : values) {
        // Separators get rarer: words of all lengths, across all places of a chunk.
        const auto separators = 1 + random() % 40;
        for (auto bytes = random() % 300; bytes > 0; --bytes) {
            value += random() % separators == 0 ? kBytes[random() % kBytes.size()]
                                                : kBytes[random() % 6];
        }
        std::string word;
        for (const char byte : value + " ") {
            if (std::isalnum(static_cast<unsigned char>(byte)) || (byte & 0x80) != 0) {
                word += byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
            } else if (!word.empty()) {
                ++reference[std::exchange(word, "")];
            }
        }
    }
    const Result result = run("wordcount", items_of(values));
    ASSERT_EQ(result.rows.size(), reference.size());
    for (const Row& row : result.rows)
        EXPECT_EQ(row.value, fmt::format("{{\"count\":{}}}", reference[row.key]));
}

TEST(TopkTest, OrdersByNumberThenKey) {
    const auto items =
        items_of({"5", "7", "7", "-1", "\"x\"", "7.5", "null", "18446744073709551615"});
    EXPECT_EQ(rows_of(run("topk:4,$", items)),
              R"(k7 {"$":18446744073709551615}|k5 {"$":7.5}|k1 {"$":7}|k2 {"$":7})");
    EXPECT_EQ(run("topk:100,$", items).rows.size(), 6u);
    EXPECT_EQ(rows_of(run("topk:4,$|order:$|limit:1", items)), R"(k1 {"$":7})");
    EXPECT_EQ(rows_of(run("topk:1,size", items)), R"(k7 {"size":20})");
}

/// A kernel as a user would write it: the longest value, and a value of its own making.
struct LongestKernel {
    static constexpr kernel::Description description{"longest", "", "the longest value"};
    explicit LongestKernel(std::span<const kernel::Argument> arguments) {
        if (!arguments.empty()) throw kernel::Error("takes no arguments\n", 1);
    }
    std::vector<std::string> columns() const { return {"bytes"}; }

    struct Partial {
        Partial(const LongestKernel&, kernel::Host) {}
        void map(const kernel::Block& block) {
            for (const kernel::Item& item : block.items()) {
                if (item.value_bytes == 13) throw std::runtime_error("thirteen");
                longest = std::max<std::uint64_t>(longest, item.value_bytes);
            }
        }
        void merge(Partial& other) { longest = std::max(longest, other.longest); }
        void save(kernel::Writer& writer) const { writer.number(longest); }
        void load(kernel::Reader& reader) {
            longest = std::max(longest, reader.number<std::uint64_t>());
        }
        void finish(kernel::Emitter& emitter) {
            const kernel::Value column = kernel::unsigned_value(longest);
            emitter.row("raw", "as it is", {&column, 1});
            emitter.row("json", {&column, 1});
        }
        std::uint64_t longest = 0;
    };
};

/// Fails on some items: what is thrown decides whether the job goes on.
struct PickyKernel {
    static constexpr kernel::Description description{"picky", "", "sums what it likes",
                                                     SHARDMILL_KERNEL_NO_VALUES};
    explicit PickyKernel(std::span<const kernel::Argument>) {}
    std::vector<std::string> columns() const { return {"items"}; }

    struct Partial {
        Partial(const PickyKernel&, kernel::Host) {}
        void map_item(const kernel::Block& block, std::size_t index) {
            const std::string_view value = kernel::value_of(block.items()[index]);
            if (value == "item") throw kernel::ItemError("no\nitem");
            if (value == "library") throw std::out_of_range("stoi");
            if (value == "job") throw kernel::Error("the end");
            ++items;
        }
        void merge(Partial& other) { items += other.items; }
        void save(kernel::Writer& writer) const { writer.number(items); }
        void load(kernel::Reader& reader) { items += reader.number<std::uint64_t>(); }
        void finish(kernel::Emitter& emitter) {
            const kernel::Value column = kernel::unsigned_value(items);
            emitter.row("*", "", {&column, 1}, 7, 8);
        }
        std::uint64_t items = 0;
    };
};

Registry with_picky() {
    Registry registry = Registry::with_builtins();
    EXPECT_TRUE(registry.add(kernel::Table<PickyKernel>::table, "test").has_value());
    return registry;
}

TEST(KernelTest, CountsItemsThatAKernelFailsOn) {
    const Registry registry = with_picky();
    const SharedProgram program = compiled("picky", {}, registry);
    auto partial = map_items(program, items_of({"a", "item", "b", "library"}),
                             std::make_shared<JobBudget>(JobLimits{}));
    ASSERT_TRUE(partial.has_value());
    EXPECT_EQ(partial->counters().scanned, 4u);
    EXPECT_EQ(partial->counters().matched, 2u);
    EXPECT_EQ(partial->counters().failed, 2u);
    EXPECT_EQ(partial->first_failure(), "k1: no\\x0aitem");
    const auto result = partial->finish();
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->rows[0].value, "");
    EXPECT_EQ(result->rows[0].client_flags, 7u);
    EXPECT_EQ(result->rows[0].exptime, 8u);

    const auto ended = run_with(program, items_of({"a", "job"}), {});
    ASSERT_FALSE(ended.has_value());
    EXPECT_EQ(ended.error().message, "picky: the end");
}

TEST(KernelTest, ReadsValuesOnlyForKernelsThatLookAtThem) {
    const Registry registry = with_picky();
    EXPECT_FALSE(compiled("picky", {}, registry)->reads_values());
    EXPECT_TRUE(compiled("picky:$.a", {}, registry)->reads_values());
    EXPECT_TRUE(compiled("wordcount")->reads_values());
}

Registry with_longest() {
    Registry registry = Registry::with_builtins();
    EXPECT_TRUE(registry.add(kernel::Table<LongestKernel>::table, "test").has_value());
    return registry;
}

TEST(KernelTest, RunsAKernelOfAUser) {
    const Registry registry = with_longest();
    const auto result = run_with(compiled("longest", {}, registry), items_of({"abc", "abcde"}), {});
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(rows_of(*result), R"(json {"bytes":5}|raw as it is)");
}

TEST(KernelTest, TurnsItsExceptionsIntoErrors) {
    const Registry registry = with_longest();
    const auto result =
        run_with(compiled("longest", {}, registry), items_of({std::string(13, 'x')}), {});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().kind, JobErrorKind::Kernel);
    EXPECT_EQ(result.error().message, "longest: thirteen");
    const auto refused_program = compile("longest:size", registry);
    ASSERT_FALSE(refused_program.has_value());
    EXPECT_EQ(refused_program.error().text(), "longest: takes no arguments\\x0a at character 9");
}

TEST(RegistryTest, ListsKernelsByName) {
    const auto kernels = with_longest().list();
    EXPECT_EQ(kernels.size(), builtins().list().size() + 1);
    EXPECT_TRUE(std::ranges::is_sorted(kernels, {}, &KernelInfo::name));
    const auto longest = std::ranges::find(kernels, "longest", &KernelInfo::name);
    ASSERT_NE(longest, kernels.end());
    EXPECT_EQ(longest->origin, "test");
    const auto topk = std::ranges::find(kernels, "topk", &KernelInfo::name);
    ASSERT_NE(topk, kernels.end());
    EXPECT_EQ(topk->arguments, ":<n>,<expr>");
    EXPECT_EQ(topk->origin, "built-in");
}

TEST(RegistryTest, RefusesWhatItCannotUse) {
    Registry registry = Registry::with_builtins();
    shardmill_kernel table = kernel::Table<LongestKernel>::table;
    const auto reason = [&registry](const shardmill_kernel& kernel) {
        const auto added = registry.add(kernel, "test");
        return added ? std::string("added") : added.error();
    };
    table.abi = 99;
    EXPECT_EQ(reason(table), "built for kernel ABI 99, this server has 2");
    table = kernel::Table<LongestKernel>::table;
    table.map = nullptr;
    EXPECT_EQ(reason(table), "the kernel's table is incomplete");
    table = kernel::Table<LongestKernel>::table;
    table.name = "wordcount";
    EXPECT_EQ(reason(table), "the name wordcount is taken: built-in");
    table.name = "where";
    EXPECT_EQ(reason(table), "the name where is taken: a stage of pipelines");
    table.name = "No Name";
    EXPECT_EQ(reason(table), "not a kernel's name: No Name");
}

}  // namespace
}  // namespace shardmill::compute::test
