#include "parse_any.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/assert.h"
#include "compute/program.h"
#include "segment_builder.h"

namespace shardmill::compute::test {

namespace {

/// An item that has something for every expression.
bool survives_an_item(std::shared_ptr<const Program> program) {
    SegmentBuilder builder;
    builder.add({.key = "a:b",
                 .value = R"({"a":1,"b":{"c":["x",2]}})",
                 .client_flags = 3,
                 .exptime = 2000});
    const store::PinnedSegment segment = builder.pin();
    const std::atomic<bool> stop{false};
    auto partial = Partial::start(std::move(program), std::make_shared<JobBudget>(JobLimits{}));
    return partial && partial->map(segment, 1000, stop) && partial->finish();
}

}  // namespace

bool parse_any(std::string_view text) {
    static const Registry registry = Registry::with_builtins();
    const auto program = compile(text, registry);
    if (program) {
        SHARDMILL_ASSERT((*program)->text() == text);
        SHARDMILL_ASSERT(survives_an_item(*program));
        return true;
    }
    const PipelineError& error = program.error();
    SHARDMILL_ASSERT(error.position == PipelineError::kNoPosition || error.position <= text.size());
    const std::string message = error.text();
    SHARDMILL_ASSERT(!message.empty());
    SHARDMILL_ASSERT(std::all_of(message.begin(), message.end(),
                                 [](char byte) { return byte >= ' ' && byte < 0x7f; }));
    return false;
}

}  // namespace shardmill::compute::test
