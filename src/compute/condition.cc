#include "compute/condition.h"

#include <algorithm>

namespace shardmill::compute {

namespace {

using ast::ConditionKind;

Truth truth_of(bool truth) noexcept { return truth ? Truth::True : Truth::False; }

}  // namespace

Condition::Condition() noexcept = default;
Condition::Condition(Condition&&) noexcept = default;
Condition::~Condition() = default;

Parsed<Condition> Condition::compile(const ast::Condition& condition, PathSet& paths) {
    Condition compiled;
    compiled.kind_ = condition.kind;
    compiled.comparison_ = condition.comparison;
    for (const ast::Condition& part : condition.parts) {
        auto compiled_part = compile(part, paths);
        if (!compiled_part) return compiled_part;
        compiled.touches_ = compiled.touches_ | compiled_part->touches_;
        compiled.searches_ = compiled.searches_ || compiled_part->searches_;
        compiled.parts_.push_back(std::move(*compiled_part));
    }
    for (const ast::Expr& operand : condition.operands) {
        compiled.operands_.push_back(Expression::compile(operand, paths));
        compiled.touches_ = compiled.touches_ | compiled.operands_.back().touches();
    }
    if (condition.kind == ConditionKind::In) {
        for (std::size_t choice = 1; choice < compiled.operands_.size(); ++choice)
            compiled.choices_.push_back(compiled.operands_[choice].literal());
    }
    if (condition.kind == ConditionKind::Match) {
        auto pattern = Pattern::compile(condition.pattern);
        if (!pattern) return std::unexpected(pattern.error());
        compiled.pattern_ = std::move(*pattern);
        compiled.searches_ = true;
    }
    return compiled;
}

void Condition::evaluate(const Block& block, TruthColumn& out) const noexcept {
    switch (kind_) {
        case ConditionKind::Compare:
            evaluate_compare(block, out);
            return;
        case ConditionKind::Match:
            evaluate_match(block, out);
            return;
        case ConditionKind::Exists:
            evaluate_exists(block, out);
            return;
        case ConditionKind::In:
            evaluate_in(block, out);
            return;
        case ConditionKind::And:
        case ConditionKind::Or:
            evaluate_parts(block, out);
            return;
        case ConditionKind::Not:
            parts_.front().evaluate(block, out);
            for (std::uint32_t index = 0; index < block.count; ++index) {
                out[index] = static_cast<Truth>(2 - static_cast<int>(out[index]));
            }
            return;
    }
}

void Condition::evaluate_compare(const Block& block, TruthColumn& out) const noexcept {
    Column left;
    operands_[0].evaluate(block, left);
    if (operands_[1].is_literal()) {
        const Value right = operands_[1].literal();
        for (std::uint32_t index = 0; index < block.count; ++index)
            out[index] = compare(comparison_, left[index], right);
        return;
    }
    Column right;
    operands_[1].evaluate(block, right);
    for (std::uint32_t index = 0; index < block.count; ++index) {
        out[index] = compare(comparison_, left[index], right[index]);
    }
}

void Condition::evaluate_match(const Block& block, TruthColumn& out) const noexcept {
    Column left;
    operands_[0].evaluate(block, left);
    for (std::uint32_t index = 0; index < block.count; ++index) {
        if (!kernel::has_bytes(left[index])) {
            out[index] = Truth::Unknown;
            continue;
        }
        out[index] = truth_of(pattern_->found_in(kernel::bytes_of(left[index])));
    }
}

void Condition::evaluate_exists(const Block& block, TruthColumn& out) const noexcept {
    Column left;
    operands_[0].evaluate(block, left);
    for (std::uint32_t index = 0; index < block.count; ++index)
        out[index] = truth_of(!kernel::is_null(left[index]));
}

/// As the same comparisons joined by "or".
void Condition::evaluate_in(const Block& block, TruthColumn& out) const noexcept {
    Column left;
    operands_[0].evaluate(block, left);
    for (std::uint32_t index = 0; index < block.count; ++index) {
        Truth truth = Truth::False;
        for (const Value& choice : choices_) {
            truth = std::max(truth, compare(Comparison::Equal, left[index], choice));
            if (truth == Truth::True) break;
        }
        out[index] = truth;
    }
}

void Condition::evaluate_parts(const Block& block, TruthColumn& out) const noexcept {
    parts_.front().evaluate(block, out);
    TruthColumn other;
    for (std::size_t part = 1; part < parts_.size(); ++part) {
        parts_[part].evaluate(block, other);
        for (std::uint32_t index = 0; index < block.count; ++index) {
            out[index] = kind_ == ConditionKind::And ? std::min(out[index], other[index])
                                                     : std::max(out[index], other[index]);
        }
    }
}

}  // namespace shardmill::compute
