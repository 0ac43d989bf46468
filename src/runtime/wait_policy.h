#pragma once

#include <cstdint>

namespace shardmill::runtime {

/// How long a reactor waits: for how many completions, and at most for which time.
struct WaitPlan {
    std::uint32_t events;  // 0: do not wait at all
    std::uint64_t timeout_ns;
};

/// Decides whether a reactor wakes up for the first thing that happens or waits for company. With
/// many peers in flight a wake-up that finds several requests is much cheaper per request; a lone
/// peer, or a few, must not feel it. Only arrivals of the last milliseconds count. One thread.
class WaitPolicy {
 public:
    /// `batch_wait_us`: the longest a busy reactor holds back; 0 switches holding back off.
    explicit WaitPolicy(std::uint32_t batch_wait_us) noexcept : batch_wait_us_(batch_wait_us) {}

    /// A peer has sent something. `mark` is the peer's own, zero at first: it tells first arrivals
    /// of a window from further ones.
    void note_arrival(std::uint32_t& mark) noexcept {
        ++arrivals_;
        if (mark != window_) {
            mark = window_;
            ++peers_;
        }
    }

    /// Once per turn. `idle_ns`: when the reactor has to run again without any event.
    WaitPlan plan(std::uint64_t now_ns, std::uint64_t idle_ns) noexcept;

 private:
    void close_window(std::uint64_t now_ns, std::uint64_t length_ns) noexcept;

    std::uint32_t batch_wait_us_;
    std::uint32_t window_ = 1;
    std::uint64_t window_begin_ns_ = 0;
    std::uint32_t arrivals_ = 0;  // in the running window
    std::uint32_t peers_ = 0;     // distinct ones of them
    std::uint32_t events_ = 1;    // what the last window suggests to wait for
};

}  // namespace shardmill::runtime
