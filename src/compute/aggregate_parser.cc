#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "compute/expression_parser.h"

namespace shardmill::compute {

namespace {

using ast::Aggregate;
using ast::AggregateKind;

constexpr std::int64_t kMaxListedValues = 1000;  // topk, heavy

/// What stands between the parentheses: e an expression, # a number.
struct Named {
    std::string_view name;
    AggregateKind kind;
    std::string_view operands;
};
constexpr std::array kAggregates = {
    Named{"count", AggregateKind::Count, "e"},
    Named{"sum", AggregateKind::Sum, "e"},
    Named{"min", AggregateKind::Min, "e"},
    Named{"max", AggregateKind::Max, "e"},
    Named{"avg", AggregateKind::Average, "e"},
    Named{"var", AggregateKind::Variance, "e"},
    Named{"stddev", AggregateKind::Deviation, "e"},
    Named{"first", AggregateKind::First, "ee"},
    Named{"last", AggregateKind::Last, "ee"},
    Named{"quantile", AggregateKind::Quantile, "e#"},
    Named{"distinct", AggregateKind::Distinct, "e"},
    Named{"hll", AggregateKind::Hll, "e"},
    Named{"histogram", AggregateKind::Histogram, "e#"},
    Named{"heavy", AggregateKind::Heavy, "#e"},
    Named{"topk", AggregateKind::Top, "#e"},
};
constexpr std::string_view kNames =
    "count, sum, min, max, avg, var, stddev, first, last, quantile, p50 (and the like), distinct, "
    "hll, histogram, heavy, topk";

const Named* find_named(std::string_view name) noexcept {
    const auto found = std::ranges::find(kAggregates, name, &Named::name);
    return found == kAggregates.end() ? nullptr : found;
}

/// p50, p99, p999: the digits stand behind the decimal point. Null: it is no such name.
Value percentile_of(std::string_view name) noexcept {
    if (name.size() < 3 || name.size() > 8 || name[0] != 'p' || name == "p100")
        return kernel::null_value();
    double digits = 0;
    double scale = 1;
    for (const char byte : name.substr(1)) {
        if (byte < '0' || byte > '9') return kernel::null_value();
        digits = digits * 10 + (byte - '0');
        scale *= 10;
    }
    return kernel::double_value(digits / scale);
}

Parsed<Value> parse_parameter(Scanner& scanner, AggregateKind kind) {
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const auto number = parse_number(scanner);
    if (!number) return number;
    const auto compared = [&number](std::int64_t limit) {
        return compare_numbers(*number, kernel::int_value(limit));
    };
    switch (kind) {
        case AggregateKind::Quantile:
            if (compared(0) < 0 || compared(1) > 0)
                return Scanner::error_at(start, "a quantile is from 0 to 1");
            return kernel::double_value(as_double(*number));
        case AggregateKind::Histogram:
            if (compared(0) <= 0) return Scanner::error_at(start, "the width must be above 0");
            return number;
        default:
            if (number->kind != SHARDMILL_INT || compared(1) < 0 || compared(kMaxListedValues) > 0)
                return Scanner::error_at(
                    start, fmt::format("expected a number from 1 to {}", kMaxListedValues));
            return number;
    }
}

Parsed<void> parse_operands(Scanner& scanner, Aggregate& aggregate, std::string_view operands) {
    for (const char& wanted : operands) {
        if (&wanted != operands.data() && !scanner.take(","))
            return scanner.expected(wanted == 'e' ? "a comma and an expression"
                                                  : "a comma and a number");
        if (wanted == '#') {
            const auto number = parse_parameter(scanner, aggregate.kind);
            if (!number) return std::unexpected(number.error());
            aggregate.number = *number;
            continue;
        }
        auto operand = parse_expression(scanner);
        if (!operand) return std::unexpected(operand.error());
        aggregate.operands.push_back(std::move(*operand));
    }
    if (!scanner.take(")")) return scanner.expected(")");
    return {};
}

}  // namespace

bool is_aggregate_name(std::string_view name) noexcept {
    return find_named(name) != nullptr || !kernel::is_null(percentile_of(name));
}

Parsed<Aggregate> parse_aggregate(Scanner& scanner) {
    scanner.skip_space();
    const std::size_t start = scanner.position();
    const std::string_view name = scanner.take_name();
    Aggregate aggregate{.position = start};
    std::string_view operands = "e";
    if (const Named* named = find_named(name)) {
        aggregate.kind = named->kind;
        operands = named->operands;
    } else if (const Value quantile = percentile_of(name); !kernel::is_null(quantile)) {
        aggregate.kind = AggregateKind::Quantile;
        aggregate.number = quantile;
    } else {
        const std::string known = fmt::format("an aggregate ({})", kNames);
        if (name.empty()) return scanner.expected(known);
        return Scanner::error_at(
            start, fmt::format("unknown aggregate {}: expected {}", printable(name), known));
    }
    if (scanner.take("(")) {
        if (auto read = parse_operands(scanner, aggregate, operands); !read)
            return std::unexpected(read.error());
    } else if (aggregate.kind != AggregateKind::Count) {
        return scanner.expected("( and an expression");
    }
    aggregate.text = scanner.since(start);
    return aggregate;
}

}  // namespace shardmill::compute
