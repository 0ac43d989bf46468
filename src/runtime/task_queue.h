#pragma once

#include <functional>

namespace shardmill::runtime {

using Task = std::move_only_function<void()>;

/// Anything that runs tasks one after the other on a thread of its own: a reactor's inbox, the
/// control thread.
class TaskQueue {
 public:
    virtual ~TaskQueue() = default;

    /// Runs `task` on the queue's thread, in the order of posting. Any thread; never blocks for
    /// long. After the queue has stopped the task is destroyed without being run.
    virtual void post(Task task) = 0;
};

}  // namespace shardmill::runtime
