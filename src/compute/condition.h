#pragma once

#include <memory>
#include <vector>

#include "compute/ast.h"
#include "compute/block.h"
#include "compute/expression.h"
#include "compute/scanner.h"

namespace re2 {
class RE2;
}

namespace shardmill::compute {

/// A compiled condition: immutable, any thread. Three-valued; an item passes where it is True.
class Condition {
 public:
    static Parsed<Condition> compile(const ast::Condition& condition, PathSet& paths);
    Condition(Condition&&) noexcept;
    ~Condition();

    void evaluate(const Block& block, TruthColumn& out) const noexcept;
    Touches touches() const noexcept { return touches_; }

 private:
    Condition() noexcept;
    void evaluate_compare(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_match(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_exists(const Block& block, TruthColumn& out) const noexcept;
    void evaluate_parts(const Block& block, TruthColumn& out) const noexcept;

    ast::ConditionKind kind_ = ast::ConditionKind::And;
    Comparison comparison_ = Comparison::Equal;
    Touches touches_ = Touches::Header;
    std::vector<Condition> parts_;
    std::unique_ptr<Expression> left_;
    std::unique_ptr<Expression> right_;
    std::unique_ptr<re2::RE2> pattern_;
};

}  // namespace shardmill::compute
