#include "compute/row_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardmill::compute {

namespace {

constexpr std::size_t kColumnsShown = 200;  // bytes of a message

}  // namespace

Parsed<std::uint32_t> RowNames::find(std::string_view name, std::size_t position) const {
    const auto is_named = [name](const std::string& column) {
        return column.size() > name.size() && column.starts_with(name) &&
               column[name.size()] == '(';
    };
    auto found = std::ranges::find(columns_, name);
    if (found == columns_.end()) {
        if (name == "key") return static_cast<std::uint32_t>(key_index());
        const auto group = std::ranges::find(groups_, name);
        if (group != groups_.end()) {
            const auto part = group - groups_.begin();
            return static_cast<std::uint32_t>(key_index() + (groups_.size() > 1 ? 1 + part : 0));
        }
        if (std::ranges::count_if(columns_, is_named) > 1) {
            return Scanner::error_at(
                position,
                fmt::format("several columns are called {}: write it in full", printable(name)));
        }
        found = std::ranges::find_if(columns_, is_named);
    }
    if (found == columns_.end()) {
        return Scanner::error_at(
            position, fmt::format("no column {} (there are {})", printable(name), known()));
    }
    const auto index = static_cast<std::size_t>(found - columns_.begin());
    if (index < lists_.size() && lists_[index])
        return Scanner::error_at(
            position, fmt::format("{} has several values, which have no order", printable(*found)));
    return static_cast<std::uint32_t>(index);
}

Parsed<void> RowNames::resolve(ast::Expr& expr) const {
    if (expr.kind == ast::ExprKind::Literal) return {};
    const auto column = find(expr.text, expr.position);
    if (column) {
        expr.kind = ast::ExprKind::RowColumn;
        expr.field = *column;
        expr.operands.clear();
        return {};
    }
    if (expr.operands.empty()) return std::unexpected(column.error());
    for (ast::Expr& operand : expr.operands) {
        if (auto resolved = resolve(operand); !resolved) return resolved;
    }
    return {};
}

Parsed<void> RowNames::resolve(ast::Condition& condition) const {
    for (ast::Condition& part : condition.parts) {
        if (auto resolved = resolve(part); !resolved) return resolved;
    }
    for (ast::Expr& operand : condition.operands) {
        if (auto resolved = resolve(operand); !resolved) return resolved;
    }
    return {};
}

std::string RowNames::known() const {
    std::string known = "key";
    for (const auto& names : {columns_, groups_}) {
        for (const std::string& name : names) known.append(", ").append(printable(name));
    }
    if (known.size() > kColumnsShown) known = known.substr(0, kColumnsShown) + "..";
    return known;
}

}  // namespace shardmill::compute
