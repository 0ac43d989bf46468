#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shardmill/client.hpp"

/// What the subcommands do, apart from how they are written on the command line. Each prints its
/// result to stdout and what went wrong to stderr, and returns the exit code. Errors of the
/// connection are thrown as client::Error.
namespace shardmill::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;      // the server refused, the job failed, a key is missing
inline constexpr int kExitUsage = 2;       // the command line is wrong
inline constexpr int kExitConnection = 3;  // no connection, or it was lost
inline constexpr int kExitInterrupted = 130;  // by the user, as a shell counts it

struct Common {
    client::Address server;
    bool json = false;
};

struct SetOptions {
    std::string key;
    std::optional<std::string> value;  // none: from stdin
    std::uint32_t flags = 0;
    std::int64_t exptime = 0;
};
int run_set(const Common& common, const SetOptions& options);

struct GetOptions {
    std::vector<std::string> keys;
    bool raw = false;  // nothing but the value's bytes
};
int run_get(const Common& common, const GetOptions& options);

int run_stats(const Common& common, const std::string& arguments);

struct LoadOptions {
    std::string file = "-";
    std::string format;  // "jsonl", "tsv"; empty: by the file's name
    std::string key;     // field or template
    std::string value;   // field or template; empty: the whole line (TSV without --key: the rest)
    std::uint32_t flags = 0;
    std::int64_t exptime = 0;
    unsigned show_failures = 10;
    bool progress = true;
};
int run_load(const Common& common, const LoadOptions& options);

struct BatchRunOptions {
    std::string pipeline;
    std::vector<std::string> settings;  // name=value, as in the protocol
    bool wait = true;
    bool progress = true;
    std::optional<std::uint64_t> limit;  // rows to print; 0: all; none: 100 in a table, all in JSON
};
int run_batch_run(const Common& common, const BatchRunOptions& options);

struct BatchWaitOptions {
    std::string job;
    bool progress = true;
    std::optional<double> timeout_s;
};
int run_batch_wait(const Common& common, const BatchWaitOptions& options);

struct BatchGetOptions {
    std::string job;
    std::uint64_t from = 0;
    std::optional<std::uint64_t> limit;
};
int run_batch_get(const Common& common, const BatchGetOptions& options);

struct BatchPlanOptions {
    std::string pipeline;  // or a job's id or name
    std::vector<std::string> settings;
};
int run_batch_plan(const Common& common, const BatchPlanOptions& options);

struct BatchExportOptions {
    std::string job;
    std::string format = "jsonl";  // or "csv"
    std::string file = "-";
};
/// Streams all rows, page by page.
int run_batch_export(const Common& common, const BatchExportOptions& options);

/// A directory of snapshots is worked on without a server.
struct SnapshotFilesOptions {
    std::string directory;
    std::string name;  // of a directory in it, or a label; empty: the committed one
    // convert
    std::string to;           // another directory; made if it is not there
    std::uint32_t files = 0;  // shard files to write; 0: as many as there are
    std::string codec = "zstd";
    int level = 1;
};
/// Reads all of a snapshot, or of all of them without a name, and checks it.
int run_snapshot_verify(const Common& common, const SnapshotFilesOptions& options);
/// Prints its items, one JSON object a line.
int run_snapshot_dump(const SnapshotFilesOptions& options);
/// Writes it again, as the committed one of another directory.
int run_snapshot_convert(const Common& common, const SnapshotFilesOptions& options);

/// `line` is sent as it is; the reply is printed. For the short commands of `batch` and `snapshot`.
/// `patience`: how long the reply may take; 0: for ever.
int run_command(const Common& common, const std::string& line, std::chrono::milliseconds patience);

}  // namespace shardmill::cli
