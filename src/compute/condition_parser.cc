#include <fmt/format.h>

#include <array>
#include <utility>

#include "compute/expression_parser.h"

namespace shardmill::compute {

namespace {

using ast::Condition;
using ast::ConditionKind;

/// The operators, longer ones first.
struct Operator {
    std::string_view token;
    Comparison comparison;
};
constexpr std::array kOperators = {
    Operator{"!=", Comparison::NotEqual},     Operator{"<=", Comparison::LessEqual},
    Operator{">=", Comparison::GreaterEqual}, Operator{"=", Comparison::Equal},
    Operator{"<", Comparison::Less},          Operator{">", Comparison::Greater},
};

class ConditionParser {
 public:
    ConditionParser(Scanner& scanner, Scope scope) noexcept : scanner_(scanner), scope_(scope) {}

    Parsed<Condition> parse_all(unsigned depth) {
        return parse_joined(ConditionKind::And, "&", depth, &ConditionParser::parse_one);
    }

 private:
    using Parse = Parsed<Condition> (ConditionParser::*)(unsigned depth);

    Parsed<Condition> parse_any(unsigned depth) {
        return parse_joined(ConditionKind::Or, "||", depth, &ConditionParser::parse_all);
    }

    Parsed<Condition> parse_joined(ConditionKind kind, std::string_view sign, unsigned depth,
                                   Parse parse_part) {
        Condition joined{.kind = kind, .position = scanner_.position()};
        do {
            auto part = (this->*parse_part)(depth);
            if (!part) return part;
            joined.parts.push_back(std::move(*part));
        } while (scanner_.take(sign));
        if (joined.parts.size() == 1) return std::move(joined.parts.front());
        return joined;
    }

    Parsed<Condition> parse_one(unsigned depth) {
        if (depth > kMaxNesting) return scanner_.error("nested too deeply");
        scanner_.skip_space();
        const std::size_t start = scanner_.position();
        if (scanner_.sees("!")) {
            scanner_.take("!");
            auto part = parse_one(depth + 1);
            if (!part) return part;
            Condition negation{.kind = ConditionKind::Not, .position = start};
            negation.parts.push_back(std::move(*part));
            return negation;
        }
        return scanner_.sees("(") ? parse_parenthesis(depth) : parse_comparison(depth);
    }

    /// A condition, or the beginning of an expression like (size+1)*2. If it is neither, whatever
    /// was understood for longer tells what is wrong.
    Parsed<Condition> parse_parenthesis(unsigned depth) {
        const std::size_t open = scanner_.position();
        scanner_.take("(");
        auto inner = parse_any(depth + 1);
        if (inner && !scanner_.take(")")) inner = scanner_.expected("), & or ||");
        if (inner) return inner;
        scanner_.rewind(open);
        auto comparison = parse_comparison(depth);
        if (!comparison && comparison.error().position <= inner.error().position) return inner;
        return comparison;
    }

    Parsed<void> add_operand(Condition& condition, unsigned depth) {
        auto operand = parse_expression(scanner_, scope_, depth);
        if (!operand) return std::unexpected(operand.error());
        condition.operands.push_back(std::move(*operand));
        return {};
    }

    Parsed<Condition> parse_comparison(unsigned depth) {
        Condition condition{.kind = ConditionKind::Compare, .position = scanner_.position()};
        if (scanner_.take("exists(")) return parse_exists(std::move(condition), depth);
        if (scanner_.take("in(")) return parse_in(std::move(condition), depth);
        if (auto left = add_operand(condition, depth); !left) return std::unexpected(left.error());
        if (scanner_.take("~")) return parse_match(std::move(condition));
        for (const Operator& op : kOperators) {
            if (!scanner_.take(op.token)) continue;
            condition.comparison = op.comparison;
            if (auto right = add_operand(condition, depth); !right)
                return std::unexpected(right.error());
            return condition;
        }
        return scanner_.expected("a comparison (= != < <= > >= ~)");
    }

    Parsed<Condition> parse_exists(Condition condition, unsigned depth) {
        condition.kind = ConditionKind::Exists;
        if (auto operand = add_operand(condition, depth); !operand)
            return std::unexpected(operand.error());
        if (!scanner_.take(")")) return scanner_.expected(")");
        return condition;
    }

    Parsed<Condition> parse_in(Condition condition, unsigned depth) {
        condition.kind = ConditionKind::In;
        if (auto operand = add_operand(condition, depth); !operand)
            return std::unexpected(operand.error());
        if (!scanner_.sees(",")) return scanner_.expected("a comma and what it may be");
        while (scanner_.take(",")) {
            if (condition.operands.size() > kMaxListed)
                return scanner_.error(fmt::format("more than {} in one list", kMaxListed));
            auto literal = parse_literal(scanner_);
            if (!literal) return std::unexpected(literal.error());
            condition.operands.push_back(std::move(*literal));
        }
        if (!scanner_.take(")")) return scanner_.expected("a comma or )");
        return condition;
    }

    Parsed<Condition> parse_match(Condition condition) {
        condition.kind = ConditionKind::Match;
        if (scanner_.peek() != '\'') return scanner_.expected("a 'regular expression'");
        condition.pattern = {.position = scanner_.position(), .text = {}, .quoted = true};
        auto pattern = scanner_.take_quoted();
        if (!pattern) return std::unexpected(pattern.error());
        condition.pattern.text = std::move(*pattern);
        return condition;
    }

    Scanner& scanner_;
    const Scope scope_;
};

}  // namespace

Parsed<ast::Condition> parse_condition(Scanner& scanner, Scope scope) {
    auto condition = ConditionParser(scanner, scope).parse_all(0);
    if (condition && scanner.sees("||"))
        return scanner.error("or (||) is written inside parentheses: (a||b)");
    return condition;
}

}  // namespace shardmill::compute
