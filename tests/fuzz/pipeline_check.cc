#include "fuzz/pipeline_check.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "base/assert.h"
#include "compute/program.h"
#include "compute/segment_builder.h"

namespace shardmill::fuzz {
namespace {

using compute::JobBudget;
using compute::JobError;
using compute::Partial;
using compute::Program;
using compute::Result;
using compute::test::SegmentBuilder;
using SharedProgram = std::shared_ptr<const Program>;

constexpr std::uint32_t kNow = 1000;

/// Something for every expression, in two segments.
const std::array<store::PinnedSegment, 2>& segments() {
    static std::array<SegmentBuilder, 2> builders;
    static const std::array<store::PinnedSegment, 2> pinned = [] {
        builders[0].add({.key = "a:b",
                         .value = R"({"a":1,"b":{"c":["x",2]},"t":"2024-05-01T10:12:00+02:00"})",
                         .client_flags = 3,
                         .exptime = 2000});
        builders[0].add({.key = "a:c", .value = R"({"a":-2.5,"b":{"c":["y\n\u00fc",3]}})"});
        builders[0].add({.key = "gone", .value = "{}", .exptime = 10});
        builders[1].add({.key = "a:d", .value = R"({"a":18446744073709551615,"b":null})"});
        builders[1].add({.key = std::string("\0\xff", 2), .value = "GET;/a b;200;13 get GET"});
        builders[1].add({.key = "n", .value = "0017"});
        builders[1].add({.key = "empty"});
        return std::array{builders[0].pin(), builders[1].pin()};
    }();
    return pinned;
}

/// The largest pipelines keep what a few items need well below this.
Partial started(const SharedProgram& program) {
    auto partial = Partial::start(program, std::make_shared<JobBudget>(compute::JobLimits{}));
    SHARDMILL_ASSERT(partial.has_value());
    return std::move(*partial);
}

/// What a job may be refused with over items like these.
bool is_sane(const JobError& error) {
    return !error.message.empty() && error.kind != compute::JobErrorKind::Cancelled &&
           error.kind != compute::JobErrorKind::BadPartial;
}

using Outcome = std::expected<Result, JobError>;

Outcome in_one_go(const SharedProgram& program) {
    const std::atomic<bool> stop{false};
    Partial partial = started(program);
    for (const store::PinnedSegment& segment : segments()) {
        if (auto mapped = partial.map(segment, kNow, stop); !mapped)
            return std::unexpected(mapped.error());
    }
    return partial.finish();
}

Outcome in_pieces(const SharedProgram& program) {
    const std::atomic<bool> stop{false};
    std::array<Partial, 2> partials = {started(program), started(program)};
    for (std::size_t index = 0; index < partials.size(); ++index) {
        if (auto mapped = partials[index].map(segments()[index], kNow, stop); !mapped)
            return std::unexpected(mapped.error());
    }
    const auto saved = partials[1].save();
    if (!saved) return std::unexpected(saved.error());
    Partial loaded = started(program);
    if (auto done = loaded.load(*saved); !done) return std::unexpected(done.error());
    if (auto done = partials[0].merge(std::move(loaded)); !done)
        return std::unexpected(done.error());
    return partials[0].finish();
}

/// Sums of doubles depend on their order.
bool rounds(std::string_view text) {
    return std::ranges::any_of(std::array{"sum", "avg", "var", "stddev"}, [&](const char* word) {
        return text.find(word) != std::string_view::npos;
    });
}

void check_runs(const SharedProgram& program) {
    const Outcome whole = in_one_go(program);
    const Outcome merged = in_pieces(program);
    SHARDMILL_ASSERT(whole || is_sane(whole.error()));
    SHARDMILL_ASSERT(merged || is_sane(merged.error()));
    if (rounds(program->text())) return;
    SHARDMILL_ASSERT(whole.has_value() == merged.has_value());
    if (!whole) return;
    const auto same = [](const compute::Row& left, const compute::Row& right) {
        return left.key == right.key && left.value == right.value;
    };
    SHARDMILL_ASSERT(std::ranges::equal(whole->rows, merged->rows, same));
    SHARDMILL_ASSERT(whole->counters.scanned == merged->counters.scanned &&
                     whole->counters.matched == merged->counters.matched &&
                     whole->counters.failed == merged->counters.failed);
}

}  // namespace

bool check_pipeline(std::string_view text) {
    static const compute::Registry registry = compute::Registry::with_builtins();
    const auto program = compute::compile(text, registry);
    if (program) {
        SHARDMILL_ASSERT((*program)->text() == text);
        check_runs(*program);
        return true;
    }
    const compute::PipelineError& error = program.error();
    SHARDMILL_ASSERT(error.position == compute::PipelineError::kNoPosition ||
                     error.position <= text.size());
    const std::string message = error.text();
    SHARDMILL_ASSERT(!message.empty());
    SHARDMILL_ASSERT(
        std::ranges::all_of(message, [](char byte) { return byte >= ' ' && byte < 0x7f; }));
    return false;
}

}  // namespace shardmill::fuzz
