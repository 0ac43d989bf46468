#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shardmill/client.hpp"

namespace shardmill::cli {

/// The words of a status line: those without '=' and the name=value ones, in their order. `reason=`
/// goes to the line's end.
struct StatusWords {
    std::vector<std::string> plain;
    std::vector<std::pair<std::string, std::string>> named;
};
StatusWords split_status(std::string_view rest);

/// Rows as a table: the key first, then a column for every member of the values' JSON objects;
/// values that are no objects stand in a column `value`.
std::string rows_table(const std::vector<client::Row>& rows);

/// The rows as lines of CSV (RFC 4180), the columns as in the table; those of the first call hold
/// for all: what has others is refused. Lists and objects are JSON in their cell.
class CsvWriter {
 public:
    /// Throws std::runtime_error where a row has a column that the first ones had not.
    std::string lines(const std::vector<client::Row>& rows);

 private:
    std::vector<std::string> columns_;  // none yet: the head is still to be written
};

/// {"key":...,"value":...}, as in `rows_json`.
std::string row_json(const client::Row& row);

/// The terms of a cost model, what `batch plan` answers: predicted and measured side by side.
std::string cost_table(const client::Row& row);

/// [{"key":...,"value":...}, ...]; a value that is JSON stays so, any other is a string. A key that
/// is not UTF-8 is given as "key_base64".
std::string rows_json(const std::vector<client::Row>& rows);

/// "id":"...","state":"done",... without braces, from the words of a status line; numbers as
/// numbers. The first plain word is the id; `reason` is what follows a failure.
std::string status_json(const client::CommandReply& reply);

/// The same for people, one line.
std::string status_text(const client::CommandReply& reply);

}  // namespace shardmill::cli
