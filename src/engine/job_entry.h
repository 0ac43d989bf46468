#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/job_manager.h"
#include "engine/job_sample.h"

namespace shardmill::engine {

struct JobManager::Waiting {
    net::ConnectionId connection;
    ControlQueue::TimerId timer = 0;
    Waiter on_final;
};

/// A job's place in memory is fixed: timers and waiters are found through its id all the same,
/// because it may be dropped before they fire.
struct JobManager::Job {
    JobStatus status;
    std::uint64_t order = 0;  // of taking: the queue's order, and the list's
    JobPlan plan;             // until it is started
    std::optional<std::chrono::milliseconds> deadline;
    ControlQueue::TimerId deadline_timer = 0;
    std::optional<net::ConnectionId> attached;
    std::shared_ptr<JobSample> sample;  // while it is being planned
    std::shared_ptr<JobScan> scan;      // while running
    std::optional<ScanDriver::Handle> handle;
    std::shared_ptr<ItemChanges> delivery;  // while its rows become items
    std::shared_ptr<const ItemChanges::Rows> rows;
    std::size_t rows_put = 0;
    bool stopping = false;
    ControlQueue::TimerId leave_timer = 0;  // stopping
    std::string stop_reason;                // empty: it was asked to stop, or was not stopped
    std::vector<Waiting> waiting;
};

/// The scan of a job that was stopped, until all workers have come back from it. A kernel that
/// loops or sleeps cannot be ended: its job is over when its worker has not come back after a
/// while, and some time later the worker itself is given up and replaced.
struct JobManager::Leaving {
    static constexpr std::chrono::milliseconds kStopPatience{50};
    static constexpr std::chrono::milliseconds kWorkerPatience{2000};

    JobStatus status;               // as it was told of
    std::shared_ptr<JobScan> scan;  // nullptr: the sample of a plan
    ScanDriver::Handle handle;
    ControlQueue::TimerId timer = 0;  // of giving up
    bool given_up = false;
};

}  // namespace shardmill::engine
