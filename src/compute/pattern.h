#pragma once

#include <memory>
#include <string_view>

#include "compute/ast.h"
#include "compute/pattern_search.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// A regular expression in a pipeline. Immutable, any thread; time linear in the text, memory
/// bounded.
class Pattern {
 public:
    static Parsed<Pattern> compile(const ast::RawText& pattern);

    /// Whether it matches anywhere in the text.
    bool found_in(std::string_view text) const noexcept { return search_->matches(text); }

 private:
    explicit Pattern(std::unique_ptr<PatternSearch> search) noexcept : search_(std::move(search)) {}

    std::unique_ptr<PatternSearch> search_;
};

}  // namespace shardmill::compute
