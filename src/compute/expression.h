#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compute/ast.h"
#include "compute/block.h"
#include "compute/path_set.h"
#include "compute/touches.h"

namespace shardmill::compute {

/// A compiled expression: immutable, any thread. Evaluated a column at a time; only strings that
/// it makes take memory, from the block's scratch.
class Expression {
 public:
    /// Adds the paths it needs to `paths`.
    static Expression compile(const ast::Expr& expr, PathSet& paths);

    /// One value for each item of the block.
    void evaluate(const Block& block, Column& out) const noexcept;

    Touches touches() const noexcept { return touches_; }
    const std::string& text() const noexcept { return text_; }
    bool is_literal() const noexcept { return kind_ == ast::ExprKind::Literal; }
    /// Literals only; its bytes belong to the expression.
    Value literal() const noexcept;

 private:
    void evaluate_leaf(const Block& block, Column& out) const noexcept;
    void evaluate_operation(const Block& block, Column& out) const noexcept;
    Value apply(const Value& operand, Scratch& scratch) const noexcept;

    ast::ExprKind kind_ = ast::ExprKind::Literal;
    Touches touches_ = Touches::Header;
    std::uint32_t field_ = 0;  // Part: which one; Path, Column: of the block's fields
    TimeUnit unit_ = TimeUnit::Seconds;
    Value literal_{};
    std::string bytes_;
    std::string text_;
    std::vector<Expression> operands_;
};

/// The n-th field (from 1) of `text` cut at every `delimiter`; null if there are fewer.
Value take_field(std::string_view text, std::string_view delimiter, std::uint32_t field) noexcept;

}  // namespace shardmill::compute
