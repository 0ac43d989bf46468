#pragma once

#include <string_view>

#include "compute/ast.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// The text of a pipeline as a tree; the grammar is in README.md. Of the registry only the names of
/// kernels matter; columns and patterns are not looked at yet. Never throws on any input, and
/// recursion is bounded.
Parsed<ast::Pipeline> parse_pipeline(std::string_view text, const Registry& registry);

}  // namespace shardmill::compute
