#pragma once

#include <cstdint>
#include <string>

namespace shardmill::engine {

enum class JobState : std::uint8_t { Queued, Running, Done, Failed, Stopped };

constexpr const char* job_state_name(JobState state) noexcept {
    constexpr const char* kNames[] = {"queued", "running", "done", "failed", "stopped"};
    return kNames[static_cast<std::size_t>(state)];
}

constexpr bool is_final(JobState state) noexcept { return state >= JobState::Done; }

/// What a job has done so far; final figures are kept with its result.
struct JobFigures {
    std::uint64_t scanned = 0;  // live items seen
    std::uint64_t matched = 0;  // of those, passed all filters
    std::uint64_t failed = 0;   // values that were not what the pipeline needs
    std::uint64_t bytes = 0;    // of the scanned items in the log
    std::uint64_t ms = 0;       // from the start of the scan to the finished rows
    std::uint64_t cpu_ms = 0;   // of all workers
    std::uint64_t rows = 0;
    std::uint64_t result_bytes = 0;  // keys and values of the rows
    std::uint64_t peak_bytes = 0;    // most memory held at a time

    bool operator==(const JobFigures&) const = default;
};

/// A job as `batch stat` and `batch list` show it.
struct JobStatus {
    std::string id;
    std::string name;  // empty: none was given
    std::string pipeline;
    std::string prefix;
    std::string glob;
    JobState state = JobState::Queued;
    std::uint64_t created = 0;  // unix seconds
    std::uint32_t percent = 0;
    std::uint32_t shards = 0;
    std::uint32_t shards_done = 0;
    JobFigures figures;
    std::string reason;  // Failed: why
};

}  // namespace shardmill::engine
