#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compute/ast.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// What a pipeline may call the columns of its result's rows: in `order`, and in the condition of
/// `having`. Their numbers: first the members of the row's object, then the key, then, where there
/// are several, the parts of the key.
class RowNames {
 public:
    /// `lists[i]`: column i is a list or an object, which has no order.
    RowNames(std::vector<std::string> columns, std::vector<std::string> groups,
             std::vector<bool> lists)
        : columns_(std::move(columns)), groups_(std::move(groups)), lists_(std::move(lists)) {}

    /// A column as written, `key`, an expression of `by` as written, or the only aggregate of that
    /// name.
    Parsed<std::uint32_t> find(std::string_view name, std::size_t position) const;

    /// Turns whatever names a column into that column.
    Parsed<void> resolve(ast::Expr& expr) const;
    Parsed<void> resolve(ast::Condition& condition) const;

    std::size_t key_index() const noexcept { return columns_.size(); }
    std::size_t part_count() const noexcept { return groups_.size() > 1 ? groups_.size() : 0; }

 private:
    std::string known() const;

    const std::vector<std::string> columns_;
    const std::vector<std::string> groups_;
    const std::vector<bool> lists_;
};

}  // namespace shardmill::compute
