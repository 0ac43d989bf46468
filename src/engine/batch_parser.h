#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace shardmill::engine {

enum class BatchVerb : std::uint8_t { Run, Plan, Stat, Wait, Get, Stop, Drop, List, Kernels };

/// A parsed batch command. Views point into the line (or the payload).
struct BatchCommand {
    BatchVerb verb = BatchVerb::List;
    std::string_view argument;  // run, plan: the pipeline; else the job's id or name

    // run
    std::string_view prefix;
    std::string_view glob;
    std::string_view name;
    std::optional<std::uint64_t> limit;  // rows
    std::optional<std::chrono::milliseconds>
        wait;  // answer when done, at the latest after this time
    std::optional<std::chrono::milliseconds> deadline;  // from the start of the scan
    std::optional<std::uint64_t> memory;                // bytes
    std::optional<std::uint64_t> groups;
    std::optional<std::uint64_t> errors;  // items that may fail before the job does

    // wait
    std::optional<std::chrono::milliseconds> timeout;

    // get
    std::uint64_t from = 0;
    std::uint64_t rows = 1000;
};

/// Parses what follows the word `batch`. `payload` is the text after the line, used as the pipeline
/// where it is given as
/// `-`. Unexpected: the text of a CLIENT_ERROR; characters are counted from 1 at the beginning of
/// the line, with one space behind `batch`.
std::expected<BatchCommand, std::string> parse_batch(std::string_view arguments,
                                                     std::string_view payload);

}  // namespace shardmill::engine
