#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::engine {

enum class BatchVerb : std::uint8_t { Run, Plan, Stat, Wait, Get, Stop, Drop, List, Kernels };

/// Where the rows of a job go.
enum class RowTarget : std::uint8_t {
    Results,   // the result store, for `batch get`
    Items,     // ordinary items whose keys begin with `to_text`
    Snapshot,  // the result store, as a result snapshot named `to_text`
};

/// What is done with partial results.
enum class PartialMode : std::uint8_t {
    None,
    Save,   // the job's only row is its partial, to be merged elsewhere
    Merge,  // what is read are saved partials: the items whose keys begin with `partial_prefix`
};

/// A parsed batch command. Views point into the line (or the payload).
struct BatchCommand {
    BatchVerb verb = BatchVerb::List;
    std::string_view argument;  // run, plan: the pipeline or a job; else the job's id or name

    // run and plan: what the job is
    std::string_view prefix;
    std::string_view glob;
    std::vector<std::uint32_t> shards;                  // ascending; empty: all
    bool live = false;                                  // view=live
    std::uint32_t cpu_percent = 0;                      // of a core for each worker; 0: not said
    std::uint64_t rate_items = 0;                       // a second; 0: not bounded
    std::uint64_t rate_bytes = 0;                       // the same
    std::optional<std::uint64_t> limit;                 // rows
    std::optional<std::chrono::milliseconds> deadline;  // from the start of the scan
    std::optional<std::uint64_t> memory;                // bytes
    std::optional<std::uint64_t> groups;
    std::optional<std::uint64_t> errors;  // items that may fail before the job does
    RowTarget to = RowTarget::Results;
    std::string_view to_text;
    PartialMode partial = PartialMode::None;
    std::string_view partial_prefix;
    std::uint64_t ttl = 0;  // seconds that the result is kept; 0: not bounded
    bool dry = false;
    std::string settings;  // all of the above but prefix and glob, as written

    // run and plan: what it is called
    std::string_view name;

    // run
    std::optional<std::chrono::milliseconds>
        wait;               // answer when done, at the latest after this time
    bool attached = false;  // ends with its connection

    // wait
    std::optional<std::chrono::milliseconds> timeout;

    // get: bounds of the page
    std::uint64_t from = 0;
    std::uint64_t rows = 1000;
    std::uint64_t bytes = 1u << 20;
    std::chrono::milliseconds time{1000};
};

/// Parses what follows the word `batch`. `payload` is the text after the line, used as the pipeline
/// where it is given as
/// `-`. Unexpected: the text of a CLIENT_ERROR; characters are counted from 1 at the beginning of
/// the line, with one space behind `batch`.
std::expected<BatchCommand, std::string> parse_batch(std::string_view arguments,
                                                     std::string_view payload);

}  // namespace shardmill::engine
