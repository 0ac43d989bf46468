#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace shardmill::compute {

/// What one job may use. A bound that is reached fails the job.
struct JobLimits {
    std::uint64_t memory_bytes =
        256u << 20;                    // all partials, their scratch space and the result together
    std::uint64_t groups = 1'000'000;  // different result rows held before `limit` is applied
};

enum class JobErrorKind : std::uint8_t {
    Cancelled,   // the stop flag was seen
    Memory,      // JobLimits::memory_bytes
    Groups,      // JobLimits::groups
    OutOfRange,  // a sum left the range of its type
    Kernel,      // the kernel said no; its text is the message
    BadPartial,  // bytes given to Partial::load are not a partial of this program
};

/// Why a job cannot go on; `message` is one line for people that names the bound.
struct JobError {
    JobErrorKind kind = JobErrorKind::Kernel;
    std::string message;
};

/// What the partials of one job hold together. Shared by the workers; any thread.
class JobBudget {
 public:
    explicit JobBudget(const JobLimits& limits) noexcept : limits_(limits) {}
    JobBudget(const JobBudget&) = delete;
    JobBudget& operator=(const JobBudget&) = delete;

    const JobLimits& limits() const noexcept { return limits_; }
    std::uint64_t used_bytes() const noexcept { return used_.load(std::memory_order_relaxed); }
    std::uint64_t peak_bytes() const noexcept { return peak_.load(std::memory_order_relaxed); }

    /// False, and nothing taken, if that would go over the limit.
    bool take(std::uint64_t bytes) noexcept {
        const std::uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
        if (bytes > limits_.memory_bytes || before > limits_.memory_bytes - bytes) {
            used_.fetch_sub(bytes, std::memory_order_relaxed);
            return false;
        }
        std::uint64_t peak = peak_.load(std::memory_order_relaxed);
        while (peak < before + bytes &&
               !peak_.compare_exchange_weak(peak, before + bytes, std::memory_order_relaxed)) {
        }
        return true;
    }
    void give(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
    const JobLimits limits_;
    std::atomic<std::uint64_t> used_{0};
    std::atomic<std::uint64_t> peak_{0};
};

}  // namespace shardmill::compute
