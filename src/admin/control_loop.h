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

    /// What signals ask for; run on the control thread, one after the other.
    struct SignalActions {
        std::function<void(bool graceful)> stop;  // INT and TERM; gracefully: USR1. Once
        std::function<void()> reload;             // HUP; empty: it is logged and nothing else
    };
    /// From now on signals run `actions`, SIGPIPE and SIGXFSZ are ignored. INT or TERM after one
    /// that stops ends the process at once. Before other threads start, so that no signal reaches
    /// them unprepared.
    void handle_signals(SignalActions actions);

    /// Runs tasks until `stop`; what is left then is destroyed with the loop.
    void run();
    /// Any thread; also before `run`, which then returns at once.
    void stop();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::admin
