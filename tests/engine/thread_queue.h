#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <latch>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "engine/control_queue.h"

namespace shardmill::engine {

/// A queue with a thread of its own.
class ThreadQueue : public runtime::TaskQueue {
 public:
    void post(runtime::Task task) override {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
        filled_.notify_one();
    }
    /// Everything posted before has run when this returns.
    void drain() {
        std::latch drained(1);
        ThreadQueue::post([&drained] { drained.count_down(); });
        drained.wait();
    }

 private:
    void run(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (filled_.wait(lock, stop, [this] { return !tasks_.empty(); })) {
            runtime::Task task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            task = {};
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable_any filled_;
    std::deque<runtime::Task> tasks_;
    std::jthread thread_{[this](const std::stop_token& stop) { run(stop); }};
};

/// A control thread without timers.
class ThreadControl final : public ControlQueue {
 public:
    void post(runtime::Task task) override { queue_.post(std::move(task)); }
    TimerId post_after(std::chrono::milliseconds, runtime::Task) override {
        base::assert_failed("no timers here", __FILE__, __LINE__);
    }
    void cancel(TimerId) noexcept override {}
    void drain() { queue_.drain(); }

 private:
    ThreadQueue queue_;
};

}  // namespace shardmill::engine
