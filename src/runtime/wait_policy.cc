#include "runtime/wait_policy.h"

#include <algorithm>

namespace shardmill::runtime {
namespace {

constexpr std::uint64_t kWindowNs = 1'000'000;
constexpr std::uint32_t kEventsMax = 16;  // more brings nothing: the wake-up is paid for by then
constexpr std::uint64_t kNsPerUs = 1000;

}  // namespace

void WaitPolicy::close_window(std::uint64_t now_ns, std::uint64_t length_ns) noexcept {
    // Half of the peers: the other half may be busy with what they have got, and waiting for them
    // would end in the timeout.
    const std::uint64_t expected = arrivals_ * std::uint64_t{batch_wait_us_} * kNsPerUs / length_ns;
    const std::uint64_t events =
        std::min({expected, std::uint64_t{peers_ / 2}, std::uint64_t{kEventsMax}});
    events_ = static_cast<std::uint32_t>(std::max<std::uint64_t>(events, 1));
    window_begin_ns_ = now_ns;
    arrivals_ = 0;
    peers_ = 0;
    if (++window_ == 0) window_ = 1;
}

WaitPlan WaitPolicy::plan(std::uint64_t now_ns, std::uint64_t idle_ns) noexcept {
    if (batch_wait_us_ == 0) return {1, idle_ns};
    const std::uint64_t length_ns = now_ns - window_begin_ns_;
    if (length_ns >= kWindowNs) close_window(now_ns, length_ns);
    if (events_ < 2) return {1, idle_ns};
    return {events_, std::min(batch_wait_us_ * kNsPerUs, idle_ns)};
}

}  // namespace shardmill::runtime
