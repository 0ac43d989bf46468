#include "compute/condition.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

namespace shardmill::compute {

namespace {

using ast::ConditionKind;

/// A pattern from a user must neither write to stderr nor take memory without bound.
re2::RE2::Options pattern_options() {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(4 << 20);
    return options;
}

Parsed<std::unique_ptr<re2::RE2>> compile_pattern(const ast::Condition& condition) {
    auto pattern = std::make_unique<re2::RE2>(condition.pattern, pattern_options());
    if (!pattern->ok()) {
        return Scanner::error_at(
            condition.pattern_position,
            fmt::format("not a regular expression: {}", printable(pattern->error())));
    }
    return pattern;
}

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
        compiled.parts_.push_back(std::move(*compiled_part));
    }
    const auto add = [&](const std::unique_ptr<ast::Expr>& expr) -> std::unique_ptr<Expression> {
        if (!expr) return nullptr;
        auto expression = std::make_unique<Expression>(Expression::compile(*expr, paths));
        compiled.touches_ = compiled.touches_ | expression->touches();
        return expression;
    };
    compiled.left_ = add(condition.left);
    compiled.right_ = add(condition.right);
    if (condition.kind == ConditionKind::Match) {
        auto pattern = compile_pattern(condition);
        if (!pattern) return std::unexpected(pattern.error());
        compiled.pattern_ = std::move(*pattern);
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
    left_->evaluate(block, left);
    if (right_->is_literal()) {
        const Value right = right_->literal();
        for (std::uint32_t index = 0; index < block.count; ++index)
            out[index] = compare(comparison_, left[index], right);
        return;
    }
    Column right;
    right_->evaluate(block, right);
    for (std::uint32_t index = 0; index < block.count; ++index) {
        out[index] = compare(comparison_, left[index], right[index]);
    }
}

void Condition::evaluate_match(const Block& block, TruthColumn& out) const noexcept {
    Column left;
    left_->evaluate(block, left);
    for (std::uint32_t index = 0; index < block.count; ++index) {
        if (!kernel::has_bytes(left[index])) {
            out[index] = Truth::Unknown;
            continue;
        }
        const std::string_view text = kernel::bytes_of(left[index]);
        out[index] = truth_of(re2::RE2::PartialMatch({text.data(), text.size()}, *pattern_));
    }
}

void Condition::evaluate_exists(const Block& block, TruthColumn& out) const noexcept {
    Column left;
    left_->evaluate(block, left);
    for (std::uint32_t index = 0; index < block.count; ++index)
        out[index] = truth_of(!kernel::is_null(left[index]));
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
