#pragma once

#include <optional>
#include <vector>

#include "compute/ast.h"
#include "compute/block.h"
#include "compute/expression.h"
#include "compute/pattern.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// A compiled condition: immutable, any thread. Three-valued; an item passes where it is True.
class Condition {
 public:
    static Parsed<Condition> compile(const ast::Condition& condition, PathSet& paths);
    Condition(Condition&&) noexcept;
    ~Condition();

    void evaluate(const Block& block, TruthColumn& out) const noexcept;
    Touches touches() const noexcept { return touches_; }
    /// Of two conditions that touch the same the one to begin with.
    bool searches() const noexcept { return searches_; }

 private:
    Condition() noexcept;
    void evaluate_compare(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_match(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_exists(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_in(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_parts(const Block& block, TruthColumn& out) const noexcept;

    ast::ConditionKind kind_ = ast::ConditionKind::And;
    Comparison comparison_ = Comparison::Equal;
    Touches touches_ = Touches::Header;
    bool searches_ = false;  // has a regular expression
    std::vector<Condition> parts_;
    std::vector<Expression> operands_;
    std::vector<Value> choices_;  // In: views into the operands
    std::optional<Pattern> pattern_;
};

}  // namespace shardmill::compute
