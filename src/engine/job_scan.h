#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compute/program.h"
#include "engine/batch_parser.h"
#include "engine/control_queue.h"
#include "engine/item_changes.h"
#include "engine/job.h"
#include "engine/job_pace.h"
#include "engine/job_results.h"
#include "engine/scan_consumer.h"
#include "engine/scan_driver.h"

namespace shardmill::engine {

/// What a job is, settled before it starts.
struct JobPlan {
    JobStatus status;  // id, name, pipeline, selection, settings, created, shards
    std::shared_ptr<const compute::Program> program;
    compute::JobLimits limits;
    compute::AccessSource access;
    ScanOptions scan;
    PaceLimits pace;
    std::optional<std::uint64_t> limit;   // rows kept
    std::optional<std::uint64_t> errors;  // items that may fail before the job does
    RowTarget to = RowTarget::Results;
    std::string to_prefix;  // Items: of the rows' keys
    PartialMode partial = PartialMode::None;
    std::string partial_prefix;  // Merge: of the keys of saved partials
    bool dry = false;
};

/// What a job works with while it runs. Everything pointed to outlives it.
struct JobScanParts {
    ControlQueue* control = nullptr;
    JobResults* results = nullptr;
    ChangeParts changes;
};

/// A job as a user of the scan: a partial for every lane, merged as the lanes end, made rows and
/// kept by the last one. Lanes work for a few milliseconds at a time, so that jobs share workers
/// whatever their kernels do, and rest where the job's pace or its changes of items say so.
class JobScan final : public ScanConsumer, public std::enable_shared_from_this<JobScan> {
 public:
    /// `on_done` runs on the control thread, after everything else.
    JobScan(JobPlan plan, const JobScanParts& parts,
            std::function<void(const ScanOutcome&)> on_done);

    /// Whose lanes rest and go on. Control thread, before they start.
    void regulate(ScanDriver::Remote remote);

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override;
    ScanResult complete(const std::atomic<bool>& stop) override;
    void done(const ScanOutcome& outcome) override { on_done_(outcome); }

    /// What was done so far, without what is known only at the end. Any thread.
    JobFigures figures() const;
    /// How long the slowest lane has been at the items it took on last. Any thread.
    std::uint64_t stuck_ms() const;
    /// Set with the final figures.
    std::optional<JobCost> cost() const;
    /// The rows are kept: the job is done, whatever was asked of it afterwards. After the last lane
    /// has ended.
    bool kept() const noexcept { return kept_; }
    /// Where they are to become items: the rows that are not kept. Once, after the last lane.
    std::vector<compute::Row> take_rows() { return std::exchange(rows_, {}); }

    const JobPlan& plan() const noexcept { return plan_; }

 private:
    class Lane;
    class Busy;
    bool acts() const noexcept { return plan_.program->action().has_value(); }
    bool must_rest();
    void wake_after(std::uint64_t wait_ns);
    ScanResult merge(compute::Partial partial);
    ScanResult count(const compute::Counters& before, const compute::Partial& partial,
                     std::uint64_t cpu_ns);
    std::expected<std::vector<compute::Row>, std::string> make_rows();
    void look_only(std::span<const kernel::Item> items);
    std::vector<compute::Row> action_rows(const JobFigures& figures) const;
    compute::Row action_row(const JobFigures& figures) const;

    const JobPlan plan_;
    const JobScanParts parts_;
    const std::function<void(const ScanOutcome&)> on_done_;
    const std::shared_ptr<compute::JobBudget> budget_;
    const std::shared_ptr<ItemChanges> changes_;  // nullptr: the job does not act
    const std::uint64_t started_ns_;
    ScanDriver::Remote remote_;
    JobPace pace_;
    std::atomic<bool> waking_{false};  // a timer is set

    std::atomic<std::uint64_t> scanned_{0};
    std::atomic<std::uint64_t> selected_{0};
    std::atomic<std::uint64_t> selected_bytes_{0};
    std::atomic<std::uint64_t> matched_{0};
    std::atomic<std::uint64_t> failed_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> cpu_ns_{0};

    mutable std::mutex mutex_;                              // guards the following
    std::deque<std::atomic<std::uint64_t>> busy_since_ns_;  // of each lane; 0: it is not
    std::atomic<std::uint64_t> finishing_since_ns_{0};      // the whole
    std::optional<compute::Partial> merged_;
    std::uint64_t dry_bytes_ = 0;  // of keys and values that would be acted on
    std::uint64_t dry_refused_ = 0;
    std::map<std::string, std::uint64_t> dry_items_;  // the first of them by key, with their bytes
    std::optional<JobFigures> final_;
    std::optional<JobCost> cost_;

    std::vector<compute::Row> rows_;
    std::atomic<bool> kept_{false};
};

}  // namespace shardmill::engine
