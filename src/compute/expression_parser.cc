#include "compute/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/number.h"

namespace shardmill::compute {

namespace {

using ast::Expr;
using ast::ExprKind;

constexpr std::string_view kExpressions =
    "an expression ($.path, key, value, size, keysize, ttl, idle, fetched, flags, cas, now, "
    "text(..), key(..), part(..), bucket(..), time(..), unix(..), lower(..), len(..), a number or "
    "a "
    "'string')";

constexpr std::int64_t kMaxTimeWidth = 1'000'000;  // of each unit

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

// --- widths

Parsed<Value> parse_width(Scanner& scanner) {
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const auto width = parse_number(scanner);
    if (!width) return std::unexpected(width.error());
    if (compare_numbers(*width, kernel::int_value(0)) <= 0)
        return Scanner::error_at(start, "the bucket's width must be above 0");
    return *width;
}

struct TimeWidth {
    TimeUnit unit;
    std::int64_t width;
};

Parsed<TimeWidth> parse_time_width(Scanner& scanner) {
    struct Unit {
        std::string_view name;
        TimeUnit unit;
        std::int64_t times;
    };
    static constexpr std::array kUnits = {
        Unit{"s", TimeUnit::Seconds, 1},    Unit{"m", TimeUnit::Seconds, 60},
        Unit{"h", TimeUnit::Seconds, 3600}, Unit{"d", TimeUnit::Seconds, 86'400},
        Unit{"w", TimeUnit::Weeks, 1},      Unit{"month", TimeUnit::Months, 1},
        Unit{"year", TimeUnit::Years, 1},
    };
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const std::string_view text = scanner.take_number();
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = base::parse_number<std::uint32_t>(text.substr(0, digits));
    const auto unit = std::ranges::find(kUnits, text.substr(digits), &Unit::name);
    if (!number || *number == 0 || *number > kMaxTimeWidth || unit == kUnits.end()) {
        return Scanner::error_at(start,
                                 "expected a width of time: 30s, 5m, 1h, 1d, 1w, 1month or 1year");
    }
    return TimeWidth{unit->unit, *number * unit->times};
}

// --- operations and functions

Parsed<Expr> combined(ExprKind kind, Expr left, Expr right) {
    Expr expr{.kind = kind, .position = left.position};
    expr.depth = 1 + std::max(left.depth, right.depth);
    if (expr.depth > kMaxNesting)
        return Scanner::error_at(right.position, "nested too deeply: too many operations");
    expr.operands.push_back(std::move(left));
    expr.operands.push_back(std::move(right));
    return expr;
}

class ExpressionParser {
 public:
    ExpressionParser(Scanner& scanner, Scope scope) noexcept : scanner_(scanner), scope_(scope) {}

    Parsed<Expr> parse(unsigned depth) {
        return parse_chain(depth, {{{"+", ExprKind::Add}, {"-", ExprKind::Subtract}}},
                           &ExpressionParser::parse_product);
    }

 private:
    struct Operator {
        std::string_view token;
        ExprKind kind;
    };
    using Operators = std::array<Operator, 2>;

    Parsed<Expr> parse_product(unsigned depth) {
        return parse_chain(depth, {{{"*", ExprKind::Multiply}, {"/", ExprKind::Divide}}},
                           &ExpressionParser::parse_factor);
    }

    Parsed<Expr> parse_chain(unsigned depth, const Operators& operators,
                             Parsed<Expr> (ExpressionParser::*parse_operand)(unsigned)) {
        auto left = (this->*parse_operand)(depth);
        for (;;) {
            if (!left) return left;
            const auto found = std::ranges::find_if(
                operators, [this](const Operator& op) { return scanner_.take(op.token); });
            if (found == operators.end()) return left;
            auto right = (this->*parse_operand)(depth);
            if (!right) return right;
            const std::size_t start = left->position;
            left = combined(found->kind, std::move(*left), std::move(*right));
            if (left) left->text = scanner_.since(start);
        }
    }

    Parsed<Expr> parse_factor(unsigned depth) {
        if (depth > kMaxNesting) return scanner_.error("nested too deeply");
        const char next = scanner_.peek();
        const std::size_t start = scanner_.position();
        auto expr = parse_primary(next, depth);
        if (expr) {
            expr->position = start;
            expr->text = scanner_.since(start);
        }
        return expr;
    }

    Parsed<Expr> parse_primary(char next, unsigned depth) {
        if (scanner_.take("(")) {
            auto inner = parse(depth + 1);
            if (inner && !scanner_.take(")")) return scanner_.expected(") or an operator");
            return inner;
        }
        if (scanner_.take("$")) {
            auto path = parse_path(scanner_);
            if (!path) return std::unexpected(path.error());
            Expr expr{.kind = ExprKind::Path};
            expr.path = std::move(*path);
            return expr;
        }
        if (next == '\'' || next == '-' || (next >= '0' && next <= '9'))
            return parse_literal(scanner_);
        if (next >= 'a' && next <= 'z') return parse_named(depth);
        return scanner_.expected(kExpressions);
    }

    Parsed<Expr> parse_named(unsigned depth) {
        struct Property {
            std::string_view name;
            ExprKind kind;
        };
        static constexpr std::array kProperties = {
            Property{"key", ExprKind::Key},     Property{"value", ExprKind::Value},
            Property{"size", ExprKind::Size},   Property{"ttl", ExprKind::Ttl},
            Property{"flags", ExprKind::Flags}, Property{"keysize", ExprKind::KeySize},
            Property{"idle", ExprKind::Idle},   Property{"fetched", ExprKind::Fetched},
            Property{"cas", ExprKind::Cas},     Property{"now", ExprKind::Now},
        };
        const std::size_t start = scanner_.position();
        const std::string_view name = scanner_.take_name();
        if (name == "true" || name == "false") {
            scanner_.rewind(start);
            return parse_literal(scanner_);
        }
        if (scope_ == Scope::Row && is_aggregate_name(name)) return parse_column(start);
        if (scanner_.take("(")) return parse_call(name, start, depth);
        const auto property = std::ranges::find(kProperties, name, &Property::name);
        if (property != kProperties.end()) return Expr{.kind = property->kind};
        if (is_function(name)) return scanner_.expected("(");
        if (scope_ == Scope::Row) return Expr{.kind = ExprKind::RowColumn};
        return Scanner::error_at(start,
                                 fmt::format("expected {}, not {}", kExpressions, printable(name)));
    }

    /// An aggregate as written, or its bare name.
    Parsed<Expr> parse_column(std::size_t start) {
        if (scanner_.take("(")) {
            scanner_.rewind(start);
            const auto aggregate = parse_aggregate(scanner_);
            if (!aggregate) return std::unexpected(aggregate.error());
        }
        return Expr{.kind = ExprKind::RowColumn};
    }

    using Parse = Parsed<Expr> (ExpressionParser::*)(unsigned depth);
    struct Function {
        std::string_view name;
        Parse parse;
    };
    static const std::array<Function, 8> kFunctions;

    static bool is_function(std::string_view name) noexcept {
        return std::ranges::find(kFunctions, name, &Function::name) != kFunctions.end();
    }

    /// Behind the opening parenthesis.
    Parsed<Expr> parse_call(std::string_view name, std::size_t start, unsigned depth) {
        const auto function = std::ranges::find(kFunctions, name, &Function::name);
        if (function == kFunctions.end()) {
            return Scanner::error_at(
                start, fmt::format("expected {}, not {}(", kExpressions, printable(name)));
        }
        auto expr = (this->*function->parse)(depth + 1);
        if (expr && !scanner_.take(")")) return scanner_.expected(")");
        return expr;
    }

    Parsed<Expr> of_operand(ExprKind kind, unsigned depth) {
        auto operand = parse(depth);
        if (!operand) return operand;
        Expr expr{.kind = kind};
        expr.depth = operand->depth + 1;
        if (expr.depth > kMaxNesting) return scanner_.error("nested too deeply");
        expr.operands.push_back(std::move(*operand));
        return expr;
    }

    template <ExprKind kKind>
    Parsed<Expr> parse_simple(unsigned depth) {
        return of_operand(kKind, depth);
    }

    Parsed<Expr> parse_bucket(unsigned depth) {
        auto expr = of_operand(ExprKind::Bucket, depth);
        if (!expr) return expr;
        if (!scanner_.take(",")) return scanner_.expected("a comma and the bucket's width");
        const auto width = parse_width(scanner_);
        if (!width) return std::unexpected(width.error());
        expr->literal = *width;
        return expr;
    }

    Parsed<Expr> parse_time(unsigned depth) {
        auto expr = of_operand(ExprKind::Time, depth);
        if (!expr) return expr;
        if (!scanner_.take(",")) return scanner_.expected("a comma and a width of time");
        const auto width = parse_time_width(scanner_);
        if (!width) return std::unexpected(width.error());
        expr->unit = width->unit;
        expr->literal = kernel::int_value(width->width);
        return expr;
    }

    template <ExprKind kOf>
    Parsed<Expr> parse_field(unsigned) {
        Expr expr{.kind = ExprKind::Part, .depth = 2};
        expr.operands.push_back(Expr{.kind = kOf, .position = scanner_.position()});
        return parse_delimiter(std::move(expr));
    }

    Parsed<Expr> parse_part(unsigned depth) {
        auto expr = of_operand(ExprKind::Part, depth);
        if (!expr) return expr;
        if (!scanner_.take(",")) return scanner_.expected("a comma and a delimiter");
        return parse_delimiter(std::move(*expr));
    }

    /// "<delimiter>,<n>"
    Parsed<Expr> parse_delimiter(Expr expr) {
        const std::size_t start = scanner_.position();
        auto delimiter = scanner_.text().substr(start).starts_with('\'') ? scanner_.take_quoted()
                                                                         : scanner_.take_byte();
        if (!delimiter) return std::unexpected(delimiter.error());
        if (delimiter->empty()) return Scanner::error_at(start, "the delimiter is empty");
        expr.bytes = std::move(*delimiter);
        if (!scanner_.take(","))
            return scanner_.expected("a comma (delimiters of several characters are quoted)");
        scanner_.skip_space();
        const std::size_t number = scanner_.position();
        const auto field = parse_count(scanner_, "a field's number");
        if (!field) return std::unexpected(field.error());
        if (*field == 0) return Scanner::error_at(number, "fields are counted from 1");
        expr.field = *field;
        return expr;
    }

    Scanner& scanner_;
    const Scope scope_;
};

const std::array<ExpressionParser::Function, 8> ExpressionParser::kFunctions = {{
    {"text", &ExpressionParser::parse_field<ExprKind::Value>},
    {"key", &ExpressionParser::parse_field<ExprKind::Key>},
    {"part", &ExpressionParser::parse_part},
    {"bucket", &ExpressionParser::parse_bucket},
    {"time", &ExpressionParser::parse_time},
    {"unix", &ExpressionParser::parse_simple<ExprKind::Unix>},
    {"lower", &ExpressionParser::parse_simple<ExprKind::Lower>},
    {"len", &ExpressionParser::parse_simple<ExprKind::Length>},
}};

/// Seconds in the units that a number of time may end with.
std::int64_t unit_seconds(char unit) noexcept {
    switch (unit) {
        case 's':
            return 1;
        case 'm':
            return 60;
        case 'h':
            return 3600;
        case 'd':
            return 86'400;
        case 'w':
            return 604'800;
        default:
            return 0;
    }
}

}  // namespace

Parsed<Value> parse_number(Scanner& scanner) {
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const std::string_view text = scanner.take_number();
    const std::int64_t seconds = text.empty() ? 0 : unit_seconds(text.back());
    Value number = parse_number_text(text.substr(0, text.size() - (seconds > 0 ? 1 : 0)));
    std::int64_t product = 0;
    if (seconds > 0 && (number.kind != SHARDMILL_INT ||
                        __builtin_mul_overflow(number.integer, seconds, &product))) {
        number = kernel::null_value();
    }
    if (number.kind == SHARDMILL_NULL) {
        return Scanner::error_at(start,
                                 fmt::format("not a number: {}", printable(text.substr(0, 40))));
    }
    return seconds > 0 ? kernel::int_value(product) : number;
}

Parsed<Expr> parse_literal(Scanner& scanner) {
    const char next = scanner.peek();
    Expr expr{.position = scanner.position()};
    if (next == '\'') {
        auto bytes = scanner.take_quoted();
        if (!bytes) return std::unexpected(bytes.error());
        expr.literal.kind = SHARDMILL_STRING;
        expr.bytes = std::move(*bytes);
    } else if (next == '-' || (next >= '0' && next <= '9')) {
        const auto number = parse_number(scanner);
        if (!number) return std::unexpected(number.error());
        expr.literal = *number;
    } else {
        const std::string_view name = scanner.take_name();
        if (name != "true" && name != "false") {
            scanner.rewind(expr.position);
            return scanner.expected("a number, a 'string', true or false");
        }
        expr.literal = kernel::bool_value(name == "true");
    }
    expr.text = scanner.since(expr.position);
    return expr;
}

Parsed<Expr> parse_expression(Scanner& scanner, Scope scope, unsigned depth) {
    return ExpressionParser(scanner, scope).parse(depth);
}

}  // namespace shardmill::compute
