#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/task_queue.h"

namespace shardmill::runtime {

struct WorkerPoolConfig {
    std::uint32_t threads = 1;
    std::string name = "worker";  // thread names are <name>-<n>, cut to 15 characters
    bool idle_priority = true;    // SCHED_IDLE: runs only when nobody else wants the core
    int nice = 0;                 // without idle_priority: 0 to 19, lower than the process's own
};

/// For work on a WorkerPool to call between small steps of it: lets everybody else who wants the
/// core go first. Idle priority alone does not: a thread that once got the core while a reactor was
/// ready to run keeps it until the next tick of the kernel's timer, some milliseconds. Threads at
/// idle priority do something about it, at most every hundred microseconds; for all others it
/// returns at once. Any thread.
void give_way() noexcept;

/// Threads for work that takes long: scans and the kernels on them. They may be starved at any
/// point, so nothing that a reactor waits for runs here and no lock a reactor takes is held here.
class WorkerPool final : public TaskQueue {
 public:
    /// Starts the threads. Throws std::system_error when they cannot be had; only at start.
    explicit WorkerPool(const WorkerPoolConfig& config);
    /// As `stop` and `join`.
    ~WorkerPool() override;
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    /// Runs `task` on some worker; tasks start in the order of posting, but with several threads
    /// they overlap. Any thread, also a worker. Tasks must not throw.
    void post(Task task) override;

    /// Tasks that have not begun are destroyed without being run; those that run go on to their end
    /// (a long one looks at its own cancellation). Any thread, idempotent, does not wait.
    void stop() noexcept;

    /// Waits for the threads. Without `stop` before it, all posted tasks are run first. Not from a
    /// worker; idempotent.
    void join() noexcept;

    std::uint32_t threads() const noexcept;

    /// More threads, for those that tasks do not come back from. Throws std::system_error when they
    /// cannot be had. Not beside `join`, and by one thread.
    void add_threads(std::uint32_t more);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::runtime
