#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "engine/control_queue.h"

namespace shardmill::admin {

/// The control thread: tasks, timers and signals, one after the other. Everything but `post` and
/// `stop` belongs to the thread that runs it.
class ControlLoop final : public engine::ControlQueue {
 public:
    ControlLoop();
    ~ControlLoop() override;
    ControlLoop(const ControlLoop&) = delete;
    ControlLoop& operator=(const ControlLoop&) = delete;

    /// Any thread.
    void post(runtime::Task task) override;
    TimerId post_after(std::chrono::milliseconds delay, runtime::Task task) override;
    void cancel(TimerId timer) noexcept override;

    /// From now on SIGINT and SIGTERM run `on_stop`, SIGHUP is logged and nothing else, SIGPIPE is
    /// ignored. The second SIGINT or SIGTERM ends the process at once. Before other threads start,
    /// so that no signal reaches them unprepared.
    void handle_signals(std::function<void()> on_stop);

    /// Runs tasks until `stop`; what is left then is destroyed with the loop.
    void run();
    /// Any thread; also before `run`, which then returns at once.
    void stop();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::admin
