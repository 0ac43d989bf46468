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
    std::string stop_reason;  // empty: it was asked to stop, or was not stopped
    std::vector<Waiting> waiting;
};

}  // namespace shardmill::engine
