#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace shardmill::engine {

/// How fast a job may go; 0: as fast as it can.
struct PaceLimits {
    std::uint64_t items_per_s = 0;
    std::uint64_t bytes_per_s = 0;
    std::uint32_t cpu_percent = 0;  // of a core for each lane
};

/// Holds all lanes of a job to its limits together: what they have done is compared with what they
/// may have done since the start. Time that was not used (the job was starved) is not caught up
/// with beyond a second. Any thread.
class JobPace {
 public:
    explicit JobPace(const PaceLimits& limits) noexcept : limits_(limits) {}

    void lane_started(std::uint64_t now_ns) noexcept {
        std::uint64_t none = 0;
        begin_ns_.compare_exchange_strong(none, now_ns, std::memory_order_relaxed);
        lanes_.fetch_add(1, std::memory_order_relaxed);
    }
    void charge(std::uint64_t items, std::uint64_t bytes, std::uint64_t cpu_ns) noexcept {
        items_.fetch_add(items, std::memory_order_relaxed);
        bytes_.fetch_add(bytes, std::memory_order_relaxed);
        cpu_ns_.fetch_add(cpu_ns, std::memory_order_relaxed);
    }

    /// Nanoseconds until the lanes may go on; 0: now.
    std::uint64_t wait_ns(std::uint64_t now_ns) noexcept {
        const double used_ns = std::max({ns_for(items_, limits_.items_per_s),
                                         ns_for(bytes_, limits_.bytes_per_s), ns_of_cpu()});
        if (used_ns == 0) return 0;
        std::uint64_t begin = begin_ns_.load(std::memory_order_relaxed);
        const double due = static_cast<double>(begin) + used_ns;
        const double ahead = due - static_cast<double>(now_ns);
        if (ahead < -kCatchUpNs) {
            const auto later = begin + static_cast<std::uint64_t>(-ahead - kCatchUpNs);
            begin_ns_.compare_exchange_strong(begin, later, std::memory_order_relaxed);
        }
        return ahead < kTooShortNs ? 0 : static_cast<std::uint64_t>(ahead);
    }

    /// Items a lane may take on before it looks again: about ten milliseconds' worth.
    std::uint64_t items_at_once(std::uint64_t wanted) const noexcept {
        if (limits_.items_per_s == 0) return wanted;
        return std::clamp<std::uint64_t>(limits_.items_per_s / 100, 1, wanted);
    }

 private:
    static constexpr double kNsPerSecond = 1e9;
    static constexpr double kCatchUpNs = 1e9;
    static constexpr double kTooShortNs = 1e6;  // timers are no finer

    static double ns_for(const std::atomic<std::uint64_t>& units, std::uint64_t per_s) noexcept {
        if (per_s == 0) return 0;
        return static_cast<double>(units.load(std::memory_order_relaxed)) * kNsPerSecond /
               static_cast<double>(per_s);
    }
    double ns_of_cpu() const noexcept {
        if (limits_.cpu_percent == 0) return 0;
        const double share = limits_.cpu_percent / 100.0 * std::max(1u, lanes_.load());
        return static_cast<double>(cpu_ns_.load(std::memory_order_relaxed)) / share;
    }

    const PaceLimits limits_;
    std::atomic<std::uint64_t> begin_ns_{0};
    std::atomic<std::uint32_t> lanes_{0};
    std::atomic<std::uint64_t> items_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> cpu_ns_{0};
};

}  // namespace shardmill::engine
