#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace shardmill::engine {

enum class JobState : std::uint8_t {
    Queued,
    Running,
    Done,
    Failed,
    Stopped,
    Planned,  // its sample has been taken, nobody has run it
    Lost,     // a server that ended without stopping it was running it
};
inline constexpr std::size_t kJobStates = static_cast<std::size_t>(JobState::Lost) + 1;

constexpr const char* job_state_name(JobState state) noexcept {
    constexpr const char* kNames[kJobStates] = {"queued",  "running", "done", "failed",
                                                "stopped", "planned", "lost"};
    return kNames[static_cast<std::size_t>(state)];
}

constexpr bool is_final(JobState state) noexcept { return state >= JobState::Done; }

/// What a job has done so far; final figures are kept with its result.
struct JobFigures {
    std::uint64_t scanned = 0;         // live items seen
    std::uint64_t matched = 0;         // of those, passed all filters
    std::uint64_t failed = 0;          // values that were not what the pipeline needs
    std::uint64_t bytes = 0;           // of the scanned items in the log
    std::uint64_t selected = 0;        // of the scanned, passed the filters on the key
    std::uint64_t selected_bytes = 0;  // their keys and values
    std::uint64_t ms = 0;              // from the start of the scan to the finished rows
    std::uint64_t cpu_ms = 0;          // of all workers
    std::uint64_t workers = 0;
    std::uint64_t rows = 0;
    std::uint64_t result_bytes = 0;  // keys and values of the rows
    std::uint64_t peak_bytes = 0;    // most memory held at a time
    // Of a job that acts, or whose rows become items: see ChangeCounts.
    std::uint64_t acted = 0;
    std::uint64_t gone = 0;
    std::uint64_t changed = 0;
    std::uint64_t refused = 0;

    bool operator==(const JobFigures&) const = default;
};

/// What a job costs where the data is, and what it would cost to read the data out first.
struct JobCost {
    std::uint64_t items = 0;      // D: that are looked at
    std::uint64_t bytes = 0;      // D: of them in the log
    std::uint64_t workers = 0;    // P
    double item_ns = 0;           // T: CPU time of one worker for an item
    double transfer_ns = 0;       // T_transfer: for a byte of the items a client would have to read
    double in_place_ms = 0;       // from the start to the finished rows
    double ship_out_ms = 0;       // reading them out, and then the same work there
    std::uint64_t not_moved = 0;  // bytes that stay where they are: those items less the result

    bool operator==(const JobCost&) const = default;
};

/// A job as `batch stat` and `batch list` show it.
struct JobStatus {
    std::string id;
    std::string name;  // empty: none was given
    std::string pipeline;
    std::string prefix;
    std::string glob;
    std::string settings;  // other options that make it what it is, as written
    std::string result;    // a result snapshot's own name; empty: the id
    JobState state = JobState::Queued;
    std::uint64_t created = 0;  // unix seconds
    std::uint64_t ttl = 0;      // seconds the result is kept; 0: as long as there is room
    std::uint64_t ended = 0;    // unix seconds
    std::uint32_t percent = 0;
    std::uint32_t shards = 0;
    std::uint32_t shards_done = 0;
    JobFigures figures;
    std::optional<JobCost> predicted;
    std::optional<JobCost> measured;
    std::uint64_t stuck_ms = 0;  // how long a worker has been at the same few items
    std::string reason;          // Failed, Lost: why
};

}  // namespace shardmill::engine
