#include "cli/reply_view.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/base64.h"
#include "base/utf8.h"
#include "cli/table.h"
#include "text/json.h"

namespace shardmill::cli {

namespace {

std::string cell_text(simdjson::dom::element element) {
    std::string_view text;
    if (element.get(text) == simdjson::SUCCESS) return std::string(text);
    return element.is_null() ? "" : simdjson::minify(element);
}

/// The columns in the order in which they first appear.
class Columns {
 public:
    Columns() = default;
    /// Going on with some that are known; none: a new start.
    explicit Columns(std::vector<std::string> names) {
        if (!names.empty()) names_ = std::move(names);
    }
    std::size_t index_of(std::string_view name) {
        const auto found = std::find(names_.begin(), names_.end(), name);
        if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
        names_.emplace_back(name);
        return names_.size() - 1;
    }
    const std::vector<std::string>& names() const noexcept { return names_; }

 private:
    std::vector<std::string> names_{"key"};
};

void put(std::vector<std::string>& cells, std::size_t column, std::string text) {
    if (cells.size() <= column) cells.resize(column + 1);
    cells[column] = std::move(text);
}

std::vector<std::string> cells_of(const client::Row& row, Columns& columns) {
    simdjson::dom::parser parser;
    std::vector<std::string> cells{row.key};
    simdjson::dom::element element;
    simdjson::dom::object object;
    if (parser.parse(row.value).get(element) == simdjson::SUCCESS &&
        element.get(object) == simdjson::SUCCESS) {
        for (const auto member : object) {
            put(cells, columns.index_of(member.key), cell_text(member.value));
        }
    } else {
        put(cells, columns.index_of("value"), row.value);
    }
    return cells;
}

void append_csv_line(std::string& out, const std::vector<std::string>& cells) {
    for (std::size_t index = 0; index < cells.size(); ++index) {
        if (index != 0) out += ',';
        const std::string& cell = cells[index];
        if (cell.find_first_of(",\"\r\n") == std::string::npos) {
            out += cell;
            continue;
        }
        out += '"';
        for (const char byte : cell) out += byte == '"' ? "\"\"" : std::string(1, byte);
        out += '"';
    }
    out += "\r\n";
}

bool is_json_number(std::string_view text) {
    if (!looks_like_number(text)) return false;
    const auto digits = text.substr(text[0] == '-' ? 1 : 0);
    return digits.size() == 1 || digits[0] != '0' || digits[1] == '.';
}

}  // namespace

StatusWords split_status(std::string_view rest) {
    StatusWords words;
    while (!rest.empty()) {
        const auto end =
            rest.starts_with("reason=") ? rest.size() : std::min(rest.find(' '), rest.size());
        const auto word = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto equals = word.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            if (!word.empty()) words.plain.emplace_back(word);
        } else {
            words.named.emplace_back(word.substr(0, equals), word.substr(equals + 1));
        }
    }
    return words;
}

std::string rows_table(const std::vector<client::Row>& rows) {
    Columns columns;
    std::vector<std::vector<std::string>> lines;
    for (const auto& row : rows) lines.push_back(cells_of(row, columns));
    Table table(columns.names());
    for (auto& cells : lines) table.add(std::move(cells));
    return table.to_string();
}

std::string CsvWriter::lines(const std::vector<client::Row>& rows) {
    Columns columns(columns_);
    std::vector<std::vector<std::string>> lines;
    for (const auto& row : rows) lines.push_back(cells_of(row, columns));
    const bool first = columns_.empty();
    if (!first && columns.names().size() > columns_.size()) {
        throw std::runtime_error("a row has a column '" + columns.names()[columns_.size()] +
                                 "' that the first ones have not; use --format jsonl");
    }
    columns_ = columns.names();
    std::string out;
    if (first) append_csv_line(out, columns_);
    for (auto& cells : lines) {
        cells.resize(columns_.size());
        append_csv_line(out, cells);
    }
    return out;
}

std::string cost_table(const client::Row& row) {
    constexpr std::string_view kPredicted = "predicted_";
    constexpr std::string_view kMeasured = "measured_";
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(row.value).get(object) != simdjson::SUCCESS) return row.value + "\n";
    std::vector<std::vector<std::string>> lines;
    const auto line_of = [&lines](std::string_view term) -> std::vector<std::string>& {
        for (auto& line : lines) {
            if (line[0] == term) return line;
        }
        return lines.emplace_back(std::vector<std::string>{std::string(term), "", ""});
    };
    for (const auto member : object) {
        const std::string_view name = member.key;
        if (name.starts_with(kPredicted)) {
            line_of(name.substr(kPredicted.size()))[1] = cell_text(member.value);
        } else if (name.starts_with(kMeasured)) {
            line_of(name.substr(kMeasured.size()))[2] = cell_text(member.value);
        }
    }
    Table table({"term", "predicted", "measured"});
    for (auto& line : lines) table.add(std::move(line));
    return table.to_string();
}

std::string row_json(const client::Row& row) {
    simdjson::dom::parser parser;
    const std::string key =
        base::is_utf8(row.key)
            ? "{\"key\":" + text::json_string(row.key)
            : "{\"key_base64\":" + text::json_string(base::base64_encode(row.key));
    const bool json = parser.parse(row.value).error() == simdjson::SUCCESS;
    return key + ",\"value\":" + (json ? row.value : text::json_string(row.value)) + "}";
}

std::string rows_json(const std::vector<client::Row>& rows) {
    std::string out = "[";
    for (const auto& row : rows) {
        if (out.size() > 1) out += ",\n ";
        out += row_json(row);
    }
    return out + "]";
}

std::string status_json(const client::CommandReply& reply) {
    std::string out = "\"status\":" + text::json_string(reply.status());
    if (reply.status() != "HD" && reply.status() != "EN") {
        if (!reply.rest().empty()) out += ",\"reason\":" + text::json_string(reply.rest());
        return out;
    }
    const auto words = split_status(reply.rest());
    if (reply.status() == "HD" && !words.plain.empty()) {
        out += ",\"id\":" + text::json_string(words.plain.front());
    }
    for (const auto& [name, value] : words.named) {
        out += "," + text::json_string(name) + ":" +
               (is_json_number(value) && name != "name" ? value : text::json_string(value));
    }
    return out;
}

std::string status_text(const client::CommandReply& reply) {
    const auto words = split_status(reply.rest());
    std::string out;
    for (const auto& word : words.plain) out += (out.empty() ? "" : " ") + word;
    for (const auto& [name, value] : words.named) {
        out += fmt::format("{}{} {}", out.empty() ? "" : "  ", name, value);
    }
    return out;
}

}  // namespace shardmill::cli
