#include <gtest/gtest.h>

#include <fstream>

#include "run.h"

namespace shardmill::compute::test {
namespace {

/// The indented lines of the section "Examples".
std::vector<std::string> example_lines() {
    std::ifstream file(SHARDMILL_COMPUTE_README);
    std::vector<std::string> lines;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("#")) inside = line == "### Examples";
        if (inside && line.starts_with("    ")) lines.push_back(line.substr(4));
    }
    return lines;
}

std::string with_tabs_shown(std::string key) {
    for (std::size_t at; (at = key.find('\t')) != std::string::npos;) key.replace(at, 1, "\\t");
    return key;
}

std::string shown(const Result& result) {
    std::string out;
    for (const Row& row : result.rows) out += with_tabs_shown(row.key) + ' ' + row.value + '\n';
    return out;
}

TEST(ReadmeTest, ExamplesGiveWhatIsShown) {
    std::vector<TestItem> items;
    std::vector<std::pair<std::string, std::string>> examples;  // pipeline, rows
    for (const std::string& line : example_lines()) {
        if (line.starts_with("> ")) {
            examples.emplace_back(line.substr(2), "");
        } else if (!examples.empty()) {
            examples.back().second += line + '\n';
        } else {
            const std::size_t space = line.find(' ');
            items.push_back({.key = line.substr(0, space), .value = line.substr(space + 1)});
        }
    }
    ASSERT_GT(items.size(), 5u);
    ASSERT_GT(examples.size(), 15u);
    for (const auto& [pipeline, rows] : examples)
        EXPECT_EQ(shown(run(pipeline, items)), rows) << pipeline;
}

/// Every stage, function and aggregate that the grammar lists has an example.
TEST(ReadmeTest, ExamplesHaveEveryWord) {
    std::string all;
    for (const std::string& line : example_lines()) {
        if (line.starts_with("> ")) all += line + '\n';
    }
    for (const char* word : {"prefix:", "glob:",     "re:",     "sample:",    "where:", "by:",
                             "agg:",    "having:",   "order:",  "limit:",     "in(",    "exists(",
                             "text(",   "key(",      "part(",   "bucket(",    "time(",  "unix(",
                             "lower(",  "len(",      "count",   "sum(",       "min(",   "max(",
                             "avg(",    "var(",      "stddev(", "first(",     "last(",  "quantile(",
                             "p50(",    "distinct(", "hll(",    "histogram(", "heavy(", "topk("}) {
        EXPECT_NE(all.find(word), std::string::npos) << word;
    }
}

}  // namespace
}  // namespace shardmill::compute::test
