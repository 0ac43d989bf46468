#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compute/program.h"
#include "segment_builder.h"

namespace shardmill::compute::test {

inline constexpr std::uint32_t kNow = 1'000'000;

using SharedProgram = std::shared_ptr<const Program>;

inline const Registry& builtins() {
    static const Registry registry = Registry::with_builtins();
    return registry;
}

/// For pipelines that must compile.
inline SharedProgram compiled(std::string_view pipeline, const KeySelection& selection = {},
                              const Registry& registry = builtins()) {
    auto program = compile(pipeline, registry, selection);
    if (!program) {
        ADD_FAILURE() << pipeline << ": " << program.error().text();
        return nullptr;
    }
    return *program;
}

inline PipelineError refused(std::string_view pipeline) {
    auto program = compile(pipeline, builtins());
    if (program) {
        ADD_FAILURE() << "not refused: " << pipeline;
        return {};
    }
    return program.error();
}

inline std::expected<Partial, JobError> map_items(const SharedProgram& program,
                                                  const std::vector<TestItem>& items,
                                                  const std::shared_ptr<JobBudget>& budget) {
    SegmentBuilder builder;
    for (const TestItem& item : items) builder.add(item);
    const store::PinnedSegment segment = builder.pin();
    const std::atomic<bool> stop{false};
    auto partial = Partial::start(program, budget);
    if (!partial) return partial;
    if (auto mapped = partial->map(segment, kNow, stop); !mapped)
        return std::unexpected(mapped.error());
    return partial;
}

inline std::expected<Result, JobError> run_with(const SharedProgram& program,
                                                const std::vector<TestItem>& items,
                                                const JobLimits& limits) {
    auto partial = map_items(program, items, std::make_shared<JobBudget>(limits));
    if (!partial) return std::unexpected(partial.error());
    return partial->finish();
}

/// For jobs that must succeed.
inline Result run(std::string_view pipeline, const std::vector<TestItem>& items,
                  const KeySelection& selection = {}) {
    const SharedProgram program = compiled(pipeline, selection);
    if (!program) return {};
    auto result = run_with(program, items, {});
    if (!result) {
        ADD_FAILURE() << pipeline << ": " << result.error().message;
        return {};
    }
    return std::move(*result);
}

/// "key value|key value": rows as one text, easy to compare.
inline std::string rows_of(const Result& result) {
    std::string out;
    for (const Row& row : result.rows) {
        if (!out.empty()) out += '|';
        out += row.key + ' ' + row.value;
    }
    return out;
}

/// Keys k0, k1, ...
inline std::vector<TestItem> items_of(const std::vector<std::string>& values) {
    std::vector<TestItem> items;
    for (const std::string& value : values)
        items.push_back({.key = "k" + std::to_string(items.size()), .value = value});
    return items;
}

/// How many of the values a condition lets through.
inline std::uint64_t matches(std::string_view condition, const std::vector<std::string>& values) {
    return run("where:" + std::string(condition) + "|agg:count", items_of(values)).counters.matched;
}

}  // namespace shardmill::compute::test
