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
#include "engine/job_results.h"
#include "engine/scan_consumer.h"

namespace shardmill::engine {

/// What a job is, settled before it starts.
struct JobPlan {
    JobStatus status;  // id, name, pipeline, selection, created, shards
    std::shared_ptr<const compute::Program> program;
    compute::JobLimits limits;
    compute::AccessSource access;
    std::optional<std::uint64_t> limit;   // rows kept
    std::optional<std::uint64_t> errors;  // items that may fail before the job does
};

/// A job as a user of the scan: a partial for every lane, merged as the lanes end, made rows and
/// kept by the last one.
class JobScan final : public ScanConsumer, public std::enable_shared_from_this<JobScan> {
 public:
    /// `on_done` runs on the control thread, after everything else.
    JobScan(JobPlan plan, JobResults& results, std::function<void(const ScanOutcome&)> on_done);

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override;
    ScanResult complete(const std::atomic<bool>& stop) override;
    void done(const ScanOutcome& outcome) override { on_done_(outcome); }

    /// What was done so far, without what is known only at the end. Any thread.
    JobFigures figures() const;
    /// The rows are kept: the job is done, whatever was asked of it afterwards. After the last lane
    /// has ended.
    bool kept() const noexcept { return kept_; }

 private:
    class Lane;
    ScanResult merge(compute::Partial partial);
    ScanResult count(const compute::Counters& before, const compute::Partial& partial);

    const JobPlan plan_;
    JobResults& results_;
    const std::function<void(const ScanOutcome&)> on_done_;
    const std::shared_ptr<compute::JobBudget> budget_;
    const std::uint64_t started_ns_;

    std::atomic<std::uint64_t> scanned_{0};
    std::atomic<std::uint64_t> matched_{0};
    std::atomic<std::uint64_t> failed_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> cpu_ns_{0};

    mutable std::mutex mutex_;  // guards merged_ and final_
    std::optional<compute::Partial> merged_;
    std::optional<JobFigures> final_;
    std::atomic<bool> kept_{false};
};

}  // namespace shardmill::engine
