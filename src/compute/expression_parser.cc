#include "compute/expression_parser.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/number.h"

namespace shardmill::compute {

namespace {

using ast::AggregateKind;
using ast::Condition;
using ast::ConditionKind;
using ast::Expr;
using ast::ExprKind;

constexpr std::string_view kExpressions =
    "an expression ($.path, key, value, size, keysize, ttl, idle, fetched, flags, cas, now, "
    "text(..), key(..), bucket(..), a number or a 'string')";

Parsed<std::uint32_t> parse_count(Scanner& scanner, std::string_view what) {
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const std::string_view digits = scanner.take_number();
    if (digits.empty()) return scanner.expected(what);
    const auto number = base::parse_number<std::uint32_t>(digits);
    if (!number)
        return Scanner::error_at(start,
                                 fmt::format("expected {}, not {}", what, printable(digits)));
    return *number;
}

// --- JSON paths

Parsed<ast::PathStep> parse_bracket(Scanner& scanner) {
    ast::PathStep step;
    if (scanner.peek() == '\'') {
        auto name = scanner.take_quoted();
        if (!name) return std::unexpected(name.error());
        step.name = std::move(*name);
    } else {
        const auto index = parse_count(scanner, "an element's number (from 0) or a 'name'");
        if (!index) return std::unexpected(index.error());
        step.index = *index;
    }
    if (!scanner.take("]")) return scanner.expected("]");
    return step;
}

/// Behind the $. A path has no white space in it.
Parsed<std::vector<ast::PathStep>> parse_path(Scanner& scanner) {
    std::vector<ast::PathStep> steps;
    while (scanner.position() < scanner.text().size()) {
        const char next = scanner.text()[scanner.position()];
        if (next != '.' && next != '[') break;
        if (steps.size() == kMaxPathSteps) return scanner.error("the path is too long");
        if (scanner.take("[")) {
            auto step = parse_bracket(scanner);
            if (!step) return std::unexpected(step.error());
            steps.push_back(std::move(*step));
            continue;
        }
        scanner.take(".");
        const std::string_view member = scanner.take_member();
        if (member.empty()) return scanner.expected("a member's name (or ['name'])");
        steps.push_back({.name = std::string(member)});
    }
    return steps;
}

// --- expressions

/// "(<delimiter>,<n>)" behind text or key.
Parsed<Expr> parse_field(Scanner& scanner, Expr expr) {
    const std::size_t start = scanner.position();
    auto delimiter = scanner.text().substr(start).starts_with('\'') ? scanner.take_quoted()
                                                                    : scanner.take_byte();
    if (!delimiter) return std::unexpected(delimiter.error());
    if (delimiter->empty()) return Scanner::error_at(start, "the delimiter is empty");
    expr.bytes = std::move(*delimiter);
    if (!scanner.take(","))
        return scanner.expected("a comma (delimiters of several characters are quoted)");
    scanner.skip_space();
    const std::size_t number = scanner.position();
    const auto field = parse_count(scanner, "a field's number");
    if (!field) return std::unexpected(field.error());
    if (*field == 0) return Scanner::error_at(number, "fields are counted from 1");
    expr.field = *field;
    if (!scanner.take(")")) return scanner.expected(")");
    return expr;
}

Parsed<Value> parse_number(Scanner& scanner) {
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const std::string_view digits = scanner.take_number();
    const Value number = parse_number_text(digits);
    if (number.kind == SHARDMILL_NULL) {
        return Scanner::error_at(start,
                                 fmt::format("not a number: {}", printable(digits.substr(0, 40))));
    }
    return number;
}

/// "(<expr>,<width>)" behind bucket.
Parsed<Expr> parse_bucket(Scanner& scanner, Expr expr, unsigned depth) {
    auto operand = parse_expression(scanner, depth + 1);
    if (!operand) return std::unexpected(operand.error());
    expr.operand = std::make_unique<Expr>(std::move(*operand));
    if (!scanner.take(",")) return scanner.expected("a comma and the bucket's width");
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const auto width = parse_number(scanner);
    if (!width) return std::unexpected(width.error());
    if (compare_numbers(*width, kernel::int_value(0)) <= 0) {
        return Scanner::error_at(start, "the bucket's width must be above 0");
    }
    expr.literal = *width;
    if (!scanner.take(")")) return scanner.expected(")");
    return expr;
}

Parsed<Expr> parse_named(Scanner& scanner, Expr expr, unsigned depth) {
    struct Simple {
        std::string_view name;
        ExprKind kind;
    };
    static constexpr std::array kSimple = {
        Simple{"key", ExprKind::Key},     Simple{"value", ExprKind::Value},
        Simple{"size", ExprKind::Size},   Simple{"ttl", ExprKind::Ttl},
        Simple{"flags", ExprKind::Flags}, Simple{"keysize", ExprKind::KeySize},
        Simple{"idle", ExprKind::Idle},   Simple{"fetched", ExprKind::Fetched},
        Simple{"cas", ExprKind::Cas},     Simple{"now", ExprKind::Now},
    };
    const std::string_view name = scanner.take_name();
    if ((name == "key" || name == "text") && scanner.take("(")) {
        expr.kind = name == "key" ? ExprKind::KeyField : ExprKind::TextField;
        return parse_field(scanner, std::move(expr));
    }
    if (name == "bucket" && scanner.take("(")) {
        expr.kind = ExprKind::Bucket;
        return parse_bucket(scanner, std::move(expr), depth);
    }
    if (name == "text" || name == "bucket") return scanner.expected("(");
    if (name == "true" || name == "false") {
        expr.literal = kernel::bool_value(name == "true");
        return expr;
    }
    for (const Simple& simple : kSimple) {
        if (simple.name != name) continue;
        expr.kind = simple.kind;
        return expr;
    }
    return Scanner::error_at(expr.position,
                             fmt::format("expected {}, not {}", kExpressions, printable(name)));
}

// --- conditions

Parsed<Condition> parse_all(Scanner& scanner, unsigned depth);

Parsed<Condition> parse_any(Scanner& scanner, unsigned depth) {
    Condition any{.kind = ConditionKind::Or, .position = scanner.position()};
    do {
        auto part = parse_all(scanner, depth);
        if (!part) return part;
        any.parts.push_back(std::move(*part));
    } while (scanner.take("||"));
    if (any.parts.size() == 1) return std::move(any.parts.front());
    return any;
}

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

Parsed<Condition> parse_match(Scanner& scanner, Condition condition) {
    condition.kind = ConditionKind::Match;
    if (scanner.peek() != '\'') return scanner.expected("a 'regular expression'");
    condition.pattern_position = scanner.position();
    auto pattern = scanner.take_quoted();
    if (!pattern) return std::unexpected(pattern.error());
    condition.pattern = std::move(*pattern);
    return condition;
}

Parsed<Condition> parse_comparison(Scanner& scanner, unsigned depth) {
    Condition condition{.kind = ConditionKind::Compare, .position = scanner.position()};
    const bool exists = scanner.take("exists(");
    auto left = parse_expression(scanner, depth);
    if (!left) return std::unexpected(left.error());
    condition.left = std::make_unique<Expr>(std::move(*left));
    if (exists) {
        condition.kind = ConditionKind::Exists;
        if (!scanner.take(")")) return scanner.expected(")");
        return condition;
    }
    if (scanner.take("~")) return parse_match(scanner, std::move(condition));
    for (const Operator& op : kOperators) {
        if (!scanner.take(op.token)) continue;
        condition.comparison = op.comparison;
        auto right = parse_expression(scanner, depth);
        if (!right) return std::unexpected(right.error());
        condition.right = std::make_unique<Expr>(std::move(*right));
        return condition;
    }
    return scanner.expected("a comparison (= != < <= > >= ~)");
}

Parsed<Condition> parse_one(Scanner& scanner, unsigned depth) {
    if (depth > kMaxNesting) return scanner.error("nested too deeply");
    scanner.skip_space();
    const std::size_t position = scanner.position();
    if (scanner.take("!")) {
        auto part = parse_one(scanner, depth + 1);
        if (!part) return part;
        Condition negation{.kind = ConditionKind::Not, .position = position};
        negation.parts.push_back(std::move(*part));
        return negation;
    }
    if (!scanner.take("(")) return parse_comparison(scanner, depth);
    auto inner = parse_any(scanner, depth + 1);
    if (!inner) return inner;
    if (!scanner.take(")")) return scanner.expected("), & or ||");
    return inner;
}

Parsed<Condition> parse_all(Scanner& scanner, unsigned depth) {
    Condition all{.kind = ConditionKind::And, .position = scanner.position()};
    do {
        auto part = parse_one(scanner, depth);
        if (!part) return part;
        all.parts.push_back(std::move(*part));
    } while (scanner.take("&"));
    if (all.parts.size() == 1) return std::move(all.parts.front());
    return all;
}

}  // namespace

Parsed<Expr> parse_expression(Scanner& scanner, unsigned depth) {
    if (depth > kMaxNesting) return scanner.error("nested too deeply");
    const char next = scanner.peek();
    const std::size_t start = scanner.position();
    const auto read = [&]() -> Parsed<Expr> {
        Expr expr{.position = start};
        if (scanner.take("$")) {
            auto path = parse_path(scanner);
            if (!path) return std::unexpected(path.error());
            expr.kind = ExprKind::Path;
            expr.path = std::move(*path);
            return expr;
        }
        if (next == '\'') {
            auto bytes = scanner.take_quoted();
            if (!bytes) return std::unexpected(bytes.error());
            expr.literal.kind = SHARDMILL_STRING;
            expr.bytes = std::move(*bytes);
            return expr;
        }
        if (next == '-' || (next >= '0' && next <= '9')) {
            const auto number = parse_number(scanner);
            if (!number) return std::unexpected(number.error());
            expr.literal = *number;
            return expr;
        }
        if (next >= 'a' && next <= 'z') return parse_named(scanner, std::move(expr), depth);
        return scanner.expected(kExpressions);
    };
    auto expr = read();
    if (expr) expr->text = scanner.since(start);
    return expr;
}

Parsed<Condition> parse_condition(Scanner& scanner) {
    auto condition = parse_all(scanner, 0);
    if (condition && scanner.sees("||")) {
        return scanner.error("or (||) is written inside parentheses: (a||b)");
    }
    return condition;
}

Parsed<ast::Aggregate> parse_aggregate(Scanner& scanner) {
    struct Named {
        std::string_view name;
        AggregateKind kind;
    };
    static constexpr std::array kAggregates = {
        Named{"count", AggregateKind::Count}, Named{"sum", AggregateKind::Sum},
        Named{"min", AggregateKind::Min},     Named{"max", AggregateKind::Max},
        Named{"avg", AggregateKind::Average},
    };
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const std::string_view name = scanner.take_name();
    ast::Aggregate aggregate{.position = start};
    const Named* found = nullptr;
    for (const Named& named : kAggregates) {
        if (named.name == name) found = &named;
    }
    if (found == nullptr) {
        return Scanner::error_at(start, name.empty()
                                            ? "expected an aggregate (count, sum, min, max, avg)"
                                            : fmt::format("unknown aggregate {}", printable(name)));
    }
    aggregate.kind = found->kind;
    if (scanner.take("(")) {
        auto operand = parse_expression(scanner);
        if (!operand) return std::unexpected(operand.error());
        aggregate.operand = std::make_unique<Expr>(std::move(*operand));
        if (!scanner.take(")")) return scanner.expected(")");
    } else if (aggregate.kind != AggregateKind::Count) {
        return scanner.expected("( and an expression");
    }
    aggregate.text = scanner.since(start);
    return aggregate;
}

}  // namespace shardmill::compute
