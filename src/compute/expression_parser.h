#pragma once

#include <span>

#include "compute/ast.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// Parentheses, negations and operations may be nested this deep.
inline constexpr unsigned kMaxNesting = 64;
/// Steps of one JSON path.
inline constexpr std::size_t kMaxPathSteps = 64;
/// Lists are no longer than this.
inline constexpr std::size_t kMaxListed = 64;

/// What names in an expression stand for: properties of an item, or columns of a row.
enum class Scope : std::uint8_t { Item, Row };

Parsed<ast::Expr> parse_expression(Scanner& scanner, Scope scope = Scope::Item, unsigned depth = 0);

/// A number, a 'string', true or false.
Parsed<ast::Expr> parse_literal(Scanner& scanner);

/// A number, or a time with its unit: 90 and 90s are the same, then m, h, d, w.
Parsed<Value> parse_number(Scanner& scanner);

/// Everything joined by `&`; `||` only inside parentheses, where it cannot be taken for the end of
/// a stage.
Parsed<ast::Condition> parse_condition(Scanner& scanner, Scope scope = Scope::Item);

Parsed<ast::Aggregate> parse_aggregate(Scanner& scanner);
/// count, sum and so on, also p50 and the like.
bool is_aggregate_name(std::string_view name) noexcept;

}  // namespace shardmill::compute
