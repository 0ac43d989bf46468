#include "cli/table.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "text/utf8.h"

namespace shardmill::cli {

namespace {

constexpr std::size_t kMaxCellColumns = 80;
constexpr std::string_view kGap = "  ";

/// Control characters would break the table.
std::string printable(std::string_view text) {
    std::string out(text);
    for (auto& c : out) {
        if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
    }
    if (text::columns(out) <= kMaxCellColumns) return out;
    return std::string(text::cut_to_columns(out, kMaxCellColumns - 1)) + "\xe2\x80\xa6";
}

void append_cell(std::string& line, std::string_view cell, std::size_t width, bool right) {
    const std::string space(width - std::min(width, text::columns(cell)), ' ');
    if (right) line += space;
    line += cell;
    if (!right) line += space;
}

void end_line(std::string& out, std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    out += line;
    out += '\n';
}

}  // namespace

bool looks_like_number(std::string_view text) noexcept {
    double ignored = 0;
    if (text.empty() || (text[0] != '-' && (text[0] < '0' || text[0] > '9'))) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ignored);
    return error == std::errc{} && end == text.data() + text.size();
}

Table::Table(std::vector<std::string> head) : head_(std::move(head)) {}

void Table::add(std::vector<std::string> cells) {
    cells.resize(head_.size());
    for (auto& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::string Table::to_string() const {
    std::vector<std::size_t> widths;
    std::vector<bool> numeric;
    for (std::size_t column = 0; column < head_.size(); ++column) {
        std::size_t width = text::columns(head_[column]);
        bool numbers = !rows_.empty();
        for (const auto& row : rows_) {
            width = std::max(width, text::columns(row[column]));
            numbers = numbers && (row[column].empty() || looks_like_number(row[column]));
        }
        widths.push_back(width);
        numeric.push_back(numbers);
    }
    std::string out;
    const auto append = [&](const std::vector<std::string>& cells) {
        std::string line;
        for (std::size_t column = 0; column < cells.size(); ++column) {
            if (column > 0) line += kGap;
            append_cell(line, cells[column], widths[column], numeric[column]);
        }
        end_line(out, std::move(line));
    };
    append(head_);
    std::vector<std::string> rule;
    for (const auto width : widths) rule.emplace_back(width, '-');
    append(rule);
    for (const auto& row : rows_) append(row);
    return out;
}

}  // namespace shardmill::cli
