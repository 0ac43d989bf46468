#pragma once

#include "compute/ast.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// Parentheses, negations and buckets may be nested this deep.
inline constexpr unsigned kMaxNesting = 64;
/// Steps of one JSON path.
inline constexpr std::size_t kMaxPathSteps = 64;

Parsed<ast::Expr> parse_expression(Scanner& scanner, unsigned depth = 0);

/// Everything joined by `&`; `||` only inside parentheses, where it cannot be taken for the end of
/// a stage.
Parsed<ast::Condition> parse_condition(Scanner& scanner);

Parsed<ast::Aggregate> parse_aggregate(Scanner& scanner);

}  // namespace shardmill::compute
