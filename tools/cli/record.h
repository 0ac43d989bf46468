#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::cli {

/// A record that cannot be loaded, or a template that cannot be understood; what() says why.
class RecordError : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

/// One line of input with named fields.
class Record {
 public:
    virtual ~Record() = default;
    /// Makes `line` the current record. Throws RecordError. The line must live until the next call.
    virtual void read(std::string_view line) = 0;
    /// The text of a field of the current record; throws RecordError when it has no such field.
    virtual std::string field(std::string_view name) = 0;
};

/// Lines are JSON objects; a field is a member's name or a path (`a.b`). Strings are taken without
/// quotes, numbers and booleans as written in JSON, objects and arrays as JSON text; null counts as
/// missing.
std::unique_ptr<Record> make_json_record();

/// Lines are fields separated by tabs, named 1, 2, ...
std::unique_ptr<Record> make_tsv_record();

/// Text with places for fields: "pkg:{package}" or "{1}:{2}". A text without braces is the name of
/// one field.
class Template {
 public:
    /// Throws RecordError.
    explicit Template(std::string_view text);
    std::string fill(Record& record) const;

 private:
    struct Piece {
        std::string literal;
        std::string field;  // after the literal; empty: none
    };
    std::vector<Piece> pieces_;
};

}  // namespace shardmill::cli
