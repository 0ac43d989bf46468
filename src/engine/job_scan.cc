#include "engine/job_scan.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "base/clock.h"

namespace shardmill::engine {

class JobScan::Lane final : public ScanLane {
 public:
    Lane(JobScan& job, compute::Partial partial) : job_(job), partial_(std::move(partial)) {}

    ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                   const std::atomic<bool>& stop) override {
        const compute::Counters before = partial_.counters();
        const std::uint64_t cpu_before = base::thread_cpu_ns();
        const auto mapped = partial_.map(segment, now, stop);
        job_.cpu_ns_.fetch_add(base::thread_cpu_ns() - cpu_before, std::memory_order_relaxed);
        if (!mapped) return std::unexpected(mapped.error().message);
        return job_.count(before, partial_);
    }

    ScanResult finish() override { return job_.merge(std::move(partial_)); }

 private:
    JobScan& job_;
    compute::Partial partial_;
};

JobScan::JobScan(JobPlan plan, JobResults& results, std::function<void(const ScanOutcome&)> on_done)
    : plan_(std::move(plan)),
      results_(results),
      on_done_(std::move(on_done)),
      budget_(std::make_shared<compute::JobBudget>(plan_.limits)),
      started_ns_(base::monotonic_ns()) {}

std::expected<std::unique_ptr<ScanLane>, std::string> JobScan::start_lane() {
    auto partial = compute::Partial::start(plan_.program, budget_, plan_.access);
    if (!partial) return std::unexpected(std::move(partial.error().message));
    return std::make_unique<Lane>(*this, std::move(*partial));
}

ScanResult JobScan::count(const compute::Counters& before, const compute::Partial& partial) {
    const compute::Counters& after = partial.counters();
    scanned_.fetch_add(after.scanned - before.scanned, std::memory_order_relaxed);
    matched_.fetch_add(after.matched - before.matched, std::memory_order_relaxed);
    bytes_.fetch_add(after.bytes - before.bytes, std::memory_order_relaxed);
    const std::uint64_t newly_failed = after.failed - before.failed;
    const std::uint64_t failed =
        failed_.fetch_add(newly_failed, std::memory_order_relaxed) + newly_failed;
    if (plan_.errors && failed > *plan_.errors) {
        const std::string& first = partial.first_failure();
        return std::unexpected(fmt::format(
            "more than errors={} items could not be read as the pipeline needs them{}{}",
            *plan_.errors, first.empty() ? "" : "; ", first));
    }
    return {};
}

/// Lanes end at about the same time: whoever finds another's partial takes it along, so that
/// merging is shared by the workers and nobody holds the lock meanwhile.
ScanResult JobScan::merge(compute::Partial partial) {
    for (;;) {
        std::optional<compute::Partial> other;
        {
            const std::lock_guard lock(mutex_);
            if (!merged_) {
                merged_ = std::move(partial);
                return {};
            }
            other = std::exchange(merged_, std::nullopt);
        }
        const std::uint64_t cpu_before = base::thread_cpu_ns();
        const auto added = partial.merge(std::move(*other));
        cpu_ns_.fetch_add(base::thread_cpu_ns() - cpu_before, std::memory_order_relaxed);
        if (!added) return std::unexpected(added.error().message);
    }
}

ScanResult JobScan::complete(const std::atomic<bool>& stop) {
    SHARDMILL_ASSERT(merged_.has_value());
    const std::uint64_t cpu_before = base::thread_cpu_ns();
    auto result = merged_->finish();
    cpu_ns_.fetch_add(base::thread_cpu_ns() - cpu_before, std::memory_order_relaxed);
    if (!result) return std::unexpected(std::move(result.error().message));
    if (plan_.limit && result->rows.size() > *plan_.limit) result->rows.resize(*plan_.limit);

    JobStatus status = plan_.status;
    status.state = JobState::Done;
    status.figures = figures();
    status.figures.rows = result->rows.size();
    for (const compute::Row& row : result->rows) {
        status.figures.result_bytes += row.key.size() + row.value.size();
    }
    if (stop.load(std::memory_order_relaxed)) return std::unexpected("stopped");
    if (auto saved = results_.save(status, std::move(result->rows)); !saved) return saved;
    const std::lock_guard lock(mutex_);
    merged_.reset();
    final_ = status.figures;
    kept_ = true;
    return {};
}

JobFigures JobScan::figures() const {
    {
        const std::lock_guard lock(mutex_);
        if (final_) return *final_;
    }
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    JobFigures figures;
    figures.scanned = scanned_.load(std::memory_order_relaxed);
    figures.matched = matched_.load(std::memory_order_relaxed);
    figures.failed = failed_.load(std::memory_order_relaxed);
    figures.bytes = bytes_.load(std::memory_order_relaxed);
    figures.ms = (base::monotonic_ns() - started_ns_) / kNsPerMs;
    figures.cpu_ms = cpu_ns_.load(std::memory_order_relaxed) / kNsPerMs;
    figures.peak_bytes = budget_->peak_bytes();
    return figures;
}

}  // namespace shardmill::engine
