#pragma once

#include <chrono>
#include <cstdint>

#include "runtime/task_queue.h"

namespace shardmill::engine {

/// The control thread as life cycles of jobs and snapshots see it: all of them run on it, one task
/// after the other, so they need no locks. Tests drive a fake one by hand.
class ControlQueue : public runtime::TaskQueue {
 public:
    using TimerId = std::uint64_t;  // 0 names no timer

    /// Runs `task` after `delay`, not before. Control thread only.
    virtual TimerId post_after(std::chrono::milliseconds delay, runtime::Task task) = 0;

    /// The task is destroyed without being run. Unknown and past timers are ignored. Control thread
    /// only.
    virtual void cancel(TimerId timer) noexcept = 0;
};

}  // namespace shardmill::engine
