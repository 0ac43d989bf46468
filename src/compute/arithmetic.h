#pragma once

#include "compute/ast.h"

namespace shardmill::compute {

/// Add, Subtract, Multiply, Divide. Null unless both are numbers (or text that is one), and where
/// the result is none (division by zero). Integers stay exact and become doubles only beyond 64
/// bits; a quotient is a double.
Value calculate(ast::ExprKind kind, const Value& left, const Value& right) noexcept;

/// The start of the bucket of `width` (above 0) that `number` lies in; null stays null.
Value bucket_of(const Value& number, const Value& width) noexcept;

}  // namespace shardmill::compute
