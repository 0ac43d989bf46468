#include "cli/record.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/number.h"

namespace shardmill::cli {

namespace {

class JsonRecord final : public Record {
 public:
    void read(std::string_view line) override {
        const auto result = parser_.parse(line.data(), line.size()).get(document_);
        if (result != simdjson::SUCCESS) {
            throw RecordError(fmt::format("not JSON: {}", simdjson::error_message(result)));
        }
        if (!document_.is_object()) throw RecordError("the line is JSON, but not an object");
    }

    std::string field(std::string_view name) override {
        simdjson::dom::element at = document_;
        std::string_view rest = name;
        while (!rest.empty()) {
            const auto dot = std::min(rest.find('.'), rest.size());
            simdjson::dom::element next;
            if (at[rest.substr(0, dot)].get(next) != simdjson::SUCCESS) {
                throw RecordError(fmt::format("there is no field '{}'", name));
            }
            at = next;
            rest.remove_prefix(std::min(dot + 1, rest.size()));
        }
        if (at.is_null()) throw RecordError(fmt::format("the field '{}' is null", name));
        std::string_view text;
        if (at.get(text) == simdjson::SUCCESS) return std::string(text);
        return simdjson::minify(at);
    }

 private:
    simdjson::dom::parser parser_;
    simdjson::dom::element document_;
};

class TsvRecord final : public Record {
 public:
    void read(std::string_view line) override {
        fields_.clear();
        for (;;) {
            const auto tab = line.find('\t');
            fields_.push_back(line.substr(0, tab));
            if (tab == std::string_view::npos) return;
            line.remove_prefix(tab + 1);
        }
    }

    std::string field(std::string_view name) override {
        const auto number = base::parse_number<std::size_t>(name);
        if (!number || *number == 0) {
            throw RecordError(
                fmt::format("fields of a TSV line are numbers from 1, not '{}'", name));
        }
        if (*number > fields_.size()) {
            throw RecordError(
                fmt::format("there is no field {}, the line has {}", *number, fields_.size()));
        }
        return std::string(fields_[*number - 1]);
    }

 private:
    std::vector<std::string_view> fields_;
};

}  // namespace

std::unique_ptr<Record> make_json_record() { return std::make_unique<JsonRecord>(); }
std::unique_ptr<Record> make_tsv_record() { return std::make_unique<TsvRecord>(); }

Template::Template(std::string_view text) {
    if (text.empty()) throw RecordError("a template must not be empty");
    if (text.find_first_of("{}") == std::string_view::npos) {
        pieces_.push_back({"", std::string(text)});
        return;
    }
    while (!text.empty()) {
        const auto open = text.find('{');
        const auto literal = text.substr(0, open);
        if (literal.find('}') != std::string_view::npos) {
            throw RecordError("a } in a template has no { before it");
        }
        if (open == std::string_view::npos) {
            pieces_.push_back({std::string(literal), ""});
            return;
        }
        const auto close = text.find('}', open);
        if (close == std::string_view::npos || close == open + 1) {
            throw RecordError("a template's place is written {field}");
        }
        pieces_.push_back(
            {std::string(literal), std::string(text.substr(open + 1, close - open - 1))});
        text.remove_prefix(close + 1);
    }
}

std::string Template::fill(Record& record) const {
    std::string out;
    for (const auto& piece : pieces_) {
        out += piece.literal;
        if (!piece.field.empty()) out += record.field(piece.field);
    }
    return out;
}

}  // namespace shardmill::cli
