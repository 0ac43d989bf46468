#include "bench/workload.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace shardmill::bench {
namespace {

Options small_options() {
    Options options;
    options.keys = 1000;
    options.connections = 4;
    return options;
}

TEST(WorkloadTest, KeysHaveTheirLengthAndNameTheirNumber) {
    const Workload workload(small_options());
    char key[250];
    for (const std::uint64_t id : {0ULL, 7ULL, 999ULL}) {
        const char* end = workload.write_key(key, id);
        const std::string_view text(key, static_cast<std::size_t>(end - key));
        EXPECT_EQ(text.size(), 24u);
        EXPECT_TRUE(text.starts_with("key:"));
        EXPECT_EQ(workload.id_of(text), id);
    }
}

TEST(WorkloadTest, ForeignKeysAreNoneOfOurs) {
    const Workload workload(small_options());
    for (const std::string_view key :
         {"", "key:1", "kex:00000000000000000001", "key:0000000000000000000x",
          "key:00000000000000001000", "key:99999999999999999999"}) {
        EXPECT_EQ(workload.id_of(key), workload.keys()) << key;
    }
}

TEST(WorkloadTest, AValueFollowsFromItsKey) {
    Options options = small_options();
    options.value_size = parse_value_size("10-500");
    const Workload first(options);
    const Workload second(options);
    std::set<std::size_t> lengths;
    for (std::uint64_t id = 0; id < options.keys; ++id) {
        EXPECT_EQ(first.value(id), second.value(id));
        EXPECT_GE(first.value_bytes(id), 10u);
        EXPECT_LE(first.value_bytes(id), 500u);
        lengths.insert(first.value_bytes(id));
    }
    EXPECT_GT(lengths.size(), 300u);
    EXPECT_NE(first.value(1).substr(0, 10), first.value(2).substr(0, 10));
}

TEST(WorkloadTest, LognormalLengthsHaveTheirMedianAndStayBelowTheMaximum) {
    Options options = small_options();
    options.keys = 100'000;
    options.value_size = parse_value_size("lognormal:300,1.2,5000");
    const Workload workload(options);
    std::uint64_t below = 0;
    for (std::uint64_t id = 0; id < options.keys; ++id) {
        EXPECT_LE(workload.value_bytes(id), 5000u);
        EXPECT_GE(workload.value_bytes(id), 1u);
        below += workload.value_bytes(id) < 300 ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(below) / static_cast<double>(options.keys), 0.5, 0.02);
}

TEST(ValueSizeTest, RefusesWhatIsNoSize) {
    for (const char* text : {"", "x", "-5", "10-", "10-5", "1-2-3", "lognormal:", "lognormal:5",
                             "lognormal:0,1", "lognormal:5,-1", "lognormal:5,1,x", "99999999999"}) {
        EXPECT_THROW(parse_value_size(text), std::invalid_argument) << text;
    }
}

TEST(KeyPickerTest, UniformReachesEveryKeyAboutEquallyOften) {
    Options options = small_options();
    options.keys = 100;
    KeyPicker picker(options, 0, 1);
    std::vector<int> counts(100);
    for (int i = 0; i < 100'000; ++i) ++counts[picker.next()];
    for (const int count : counts) EXPECT_NEAR(count, 1000, 200);
}

TEST(KeyPickerTest, SequentialWalksAllKeysFromItsOwnStart) {
    Options options = small_options();
    options.keys = 10;
    options.distribution = Distribution::Sequential;
    KeyPicker picker(options, 1, 2);
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 12; ++i) ids.push_back(picker.next());
    EXPECT_EQ(ids, (std::vector<std::uint64_t>{5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6}));
}

TEST(KeyPickerTest, ZipfFollowsItsLawAndSpreadsItsRanksOverTheKeys) {
    Options options = small_options();
    options.distribution = Distribution::Zipf;
    options.zipf_theta = 1.0;
    KeyPicker picker(options, 0, 1);
    std::map<std::uint64_t, int> counts;
    constexpr int kDraws = 400'000;
    for (int i = 0; i < kDraws; ++i) ++counts[picker.next()];
    std::vector<int> sorted;
    for (const auto& [id, count] : counts) {
        EXPECT_LT(id, options.keys);
        sorted.push_back(count);
    }
    std::sort(sorted.rbegin(), sorted.rend());
    double harmonic = 0;
    for (std::uint64_t rank = 1; rank <= options.keys; ++rank) {
        harmonic += 1.0 / static_cast<double>(rank);
    }
    for (const std::size_t rank : {1u, 2u, 5u, 10u}) {
        const double expected = kDraws / harmonic / static_cast<double>(rank);
        EXPECT_NEAR(sorted[rank - 1], expected, expected * 0.05) << rank;
    }
    EXPECT_GT(counts.size(), 950u);
}

TEST(KeyPickerTest, TheRatioOfSetsIsKept) {
    Options options = small_options();
    options.ratio_set = 1;
    options.ratio_get = 4;
    KeyPicker picker(options, 0, 1);
    int sets = 0;
    for (int i = 0; i < 100'000; ++i) sets += picker.next_is_set() ? 1 : 0;
    EXPECT_NEAR(sets, 20'000, 1000);
    options.ratio_set = 0;
    KeyPicker gets_only(options, 0, 1);
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(gets_only.next_is_set());
}

}  // namespace
}  // namespace shardmill::bench
