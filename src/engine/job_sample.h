#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "compute/program.h"
#include "engine/job.h"
#include "engine/job_pace.h"
#include "engine/scan_consumer.h"
#include "engine/scan_driver.h"

namespace shardmill::engine {

/// What `batch plan` learns about a job: its program is run on some segments, by as many lanes at a
/// time as the job would have, for a tenth of a second at most, and thrown away. T is the CPU time
/// for an item once a lane has warmed up; merging and finishing are timed too.
class JobSample final : public ScanConsumer {
 public:
    static constexpr std::uint32_t kSegments = 24;

    JobSample(std::shared_ptr<const compute::Program> program, const compute::JobLimits& limits,
              compute::AccessSource access, const PaceLimits& pace,
              std::function<void(const ScanOutcome&)> on_done);

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override;
    ScanResult complete(const std::atomic<bool>& stop) override;
    void done(const ScanOutcome& outcome) override { on_done_(outcome); }

    /// Completed, of a scan whose cut came to `progress`: the prediction. Control thread.
    JobCost predict(const ScanProgress& progress, std::uint32_t lanes) const;

 private:
    class Lane;

    const std::shared_ptr<const compute::Program> program_;
    const compute::AccessSource access_;
    const PaceLimits pace_;
    const std::function<void(const ScanOutcome&)> on_done_;
    const std::shared_ptr<compute::JobBudget> budget_;
    const std::uint64_t started_ns_;

    std::mutex mutex_;            // guards the following while lanes run
    std::uint64_t begun_ns_ = 0;  // from the start to the first lane
    std::optional<compute::Partial> merged_;
    std::uint64_t timed_items_ = 0;
    std::uint64_t timed_cpu_ns_ = 0;
    std::uint64_t finish_ns_ = 0;
    compute::Counters counters_;
    std::uint64_t result_bytes_ = 0;
    JobCost ship_out_;  // of the sample
};

}  // namespace shardmill::engine
