#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <thread>

#include "runtime/inbox.h"
#include "runtime/task_queue.h"
#include "runtime/turn_histogram.h"
#include "runtime/wait_policy.h"
#include "uring/ring.h"

namespace shardmill::runtime {

/// What a turn left behind.
struct TurnReport {
    bool again;             // work is left: the next turn follows without waiting
    std::uint64_t idle_ns;  // without any event the next turn is due after this time
};

/// What a reactor does with its turns. All calls come from the reactor's thread, none may block.
class TurnWork {
 public:
    virtual ~TurnWork() = default;

    /// Before the first turn. An error, or std::bad_alloc, keeps the reactor from starting: nothing
    /// may hold on to the ring then, and `end` is not called.
    virtual std::expected<void, std::string> begin(uring::Ring& ring, WaitPolicy& wait_policy) = 0;
    /// Completions have been reaped, their handlers called: works on what they collected.
    virtual void turn() noexcept = 0;
    /// After the inbox has been served, before the ring is submitted: queues everything that goes
    /// out.
    virtual TurnReport finish_turn() noexcept = 0;
    /// Once per turn after a stop has been asked for. True: nothing is left, the reactor may end.
    virtual bool wind_down() noexcept = 0;
    /// After the last turn; the ring is still there, and no operation of the work is under way.
    virtual void end() noexcept = 0;
};

struct ReactorConfig {
    std::string name = "reactor";      // of the thread, at most 15 characters
    std::uint32_t batch_wait_us = 40;  // see WaitPolicy
};

/// A thread with a ring, running turns: reap, work, inbox, submit, wait. Other threads reach it
/// through the inbox only; posting costs a system call only while the reactor sleeps.
class Reactor final : public TaskQueue {
 public:
    Reactor(ReactorConfig config, TurnWork& work);
    /// As `stop` and `join`.
    ~Reactor() override;
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    /// Starts the thread and waits until it has its ring and its work has begun.
    std::expected<void, std::string> start(const uring::RingConfig& ring_config);
    /// Asks the reactor to wind down. Any thread; does not wait. Idempotent.
    void stop() noexcept;
    /// Waits for the end. Tasks that have not run by then are destroyed.
    void join() noexcept;

    /// Any thread, also before `start` and after the end.
    void post(Task task) override;

    /// Any thread.
    const TurnHistogram& turn_lengths() const noexcept { return turn_lengths_; }

 private:
    /// Completion of the read that other threads wake the reactor through.
    struct WakeUp : uring::Completion {
        Reactor* reactor = nullptr;
        std::uint64_t count = 0;
    };

    std::expected<std::unique_ptr<uring::Ring>, std::string> begin_work(
        const uring::RingConfig& ring_config, WaitPolicy& wait_policy);
    void run(uring::Ring& ring, WaitPolicy& wait_policy) noexcept;
    void wait(uring::Ring& ring, WaitPlan plan) noexcept;
    void arm_wake_up(uring::Ring& ring) noexcept;
    void wake() noexcept;

    ReactorConfig config_;
    TurnWork& work_;
    Inbox inbox_;
    alignas(64) std::atomic<bool> asleep_{false};
    std::atomic<bool> stop_requested_{false};
    int event_fd_ = -1;
    WakeUp wake_up_;
    bool wake_up_armed_ = false;
    TurnHistogram turn_lengths_;
    std::thread thread_;
};

}  // namespace shardmill::runtime
