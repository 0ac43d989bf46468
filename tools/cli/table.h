#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shardmill::cli {

/// A table with a head line, columns aligned: numbers to the right, everything else to the left.
/// Cells longer than a limit are cut, with an ellipsis.
class Table {
 public:
    explicit Table(std::vector<std::string> head);

    /// Fewer cells than columns: the rest is empty.
    void add(std::vector<std::string> cells);
    std::size_t rows() const noexcept { return rows_.size(); }
    std::string to_string() const;

 private:
    std::vector<std::string> head_;
    std::vector<std::vector<std::string>> rows_;
};

/// Digits, with an optional sign, fraction and exponent.
bool looks_like_number(std::string_view text) noexcept;

}  // namespace shardmill::cli
