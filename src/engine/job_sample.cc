#include "engine/job_sample.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "engine/job_cost.h"
#include "runtime/worker_pool.h"

namespace shardmill::engine {
namespace {

constexpr double kNsPerMs = 1e6;
constexpr std::uint64_t kItemsAtOnce = 256;
constexpr std::uint64_t kLaneNs = 100'000'000;  // CPU time of one lane

}  // namespace

class JobSample::Lane final : public ScanLane {
 public:
    Lane(JobSample& sample, compute::Partial partial)
        : sample_(sample), partial_(std::move(partial)) {}

    ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                   const std::atomic<bool>& stop) override {
        store::SegmentCursor cursor;
        // A lane is not always on the same thread.
        const std::uint64_t began = base::thread_cpu_ns();
        bool end = false;
        while (!end && cpu_ns_ + base::thread_cpu_ns() - began < kLaneNs) {
            const auto mapped = partial_.map_some(segment, now, stop, cursor, kItemsAtOnce);
            if (!mapped) return std::unexpected(mapped.error().message);
            end = *mapped;
            runtime::give_way();
            partial_.take_picked();
        }
        cpu_ns_ += base::thread_cpu_ns() - began;
        // The first segment is for code, tables and groups to get warm.
        if (std::exchange(warm_, true)) return {};
        warm_items_ = partial_.counters().scanned;
        warm_ns_ = cpu_ns_;
        return {};
    }

    ScanResult finish() override {
        std::uint64_t items = partial_.counters().scanned;
        std::uint64_t cpu_ns = cpu_ns_;
        if (items > 2 * warm_items_) {
            items -= warm_items_;
            cpu_ns -= warm_ns_;
        }
        const std::lock_guard lock(sample_.mutex_);
        sample_.timed_items_ += items;
        sample_.timed_cpu_ns_ += cpu_ns;
        const std::uint64_t began = base::thread_cpu_ns();
        if (sample_.merged_) {
            if (const auto merged = partial_.merge(std::move(*sample_.merged_)); !merged) {
                return std::unexpected(merged.error().message);
            }
        }
        sample_.merged_ = std::move(partial_);
        sample_.finish_ns_ += base::thread_cpu_ns() - began;
        return {};
    }

 private:
    JobSample& sample_;
    compute::Partial partial_;
    std::uint64_t cpu_ns_ = 0;
    bool warm_ = false;
    std::uint64_t warm_items_ = 0;
    std::uint64_t warm_ns_ = 0;
};

JobSample::JobSample(std::shared_ptr<const compute::Program> program,
                     const compute::JobLimits& limits, compute::AccessSource access,
                     const PaceLimits& pace, std::function<void(const ScanOutcome&)> on_done)
    : program_(std::move(program)),
      access_(access),
      pace_(pace),
      on_done_(std::move(on_done)),
      budget_(std::make_shared<compute::JobBudget>(limits)),
      started_ns_(base::monotonic_ns()) {}

std::expected<std::unique_ptr<ScanLane>, std::string> JobSample::start_lane() {
    {
        const std::lock_guard lock(mutex_);
        if (begun_ns_ == 0) begun_ns_ = base::monotonic_ns() - started_ns_;
    }
    auto partial = compute::Partial::start(program_, budget_, access_);
    if (!partial) return std::unexpected(std::move(partial.error().message));
    return std::make_unique<Lane>(*this, std::move(*partial));
}

ScanResult JobSample::complete(const std::atomic<bool>&) {
    SHARDMILL_ASSERT(merged_.has_value());
    counters_ = merged_->counters();
    const std::uint64_t began = base::thread_cpu_ns();
    auto result = merged_->finish();
    if (!result) return std::unexpected(std::move(result.error().message));
    finish_ns_ += base::thread_cpu_ns() - began;
    for (const compute::Row& row : result->rows) {
        result_bytes_ += row.key.size() + row.value.size();
    }
    add_ship_out(ship_out_, counters_.selected, counters_.selected_bytes, 0);
    merged_.reset();
    return {};
}

JobCost JobSample::predict(const ScanProgress& progress, std::uint32_t lanes) const {
    const auto per_item = [this](double total) {
        return counters_.scanned == 0 ? 0 : total / static_cast<double>(counters_.scanned);
    };
    const auto items = static_cast<double>(progress.items);
    const auto bytes = static_cast<double>(progress.item_bytes);
    JobCost cost{.items = progress.items,
                 .bytes = progress.item_bytes,
                 .workers = lanes,
                 .item_ns = timed_items_ == 0 ? 0
                                              : static_cast<double>(timed_cpu_ns_) /
                                                    static_cast<double>(timed_items_),
                 .transfer_ns = ship_out_.transfer_ns,
                 .in_place_ms = 0,
                 .ship_out_ms = 0,
                 .not_moved = 0};
    const double share = pace_.cpu_percent == 0 ? 1 : pace_.cpu_percent / 100.0;
    double scan_ms = items * cost.item_ns / kNsPerMs / (lanes * share);
    if (pace_.items_per_s != 0) {
        scan_ms = std::max(scan_ms, items / static_cast<double>(pace_.items_per_s) * 1000);
    }
    if (pace_.bytes_per_s != 0) {
        scan_ms = std::max(scan_ms, bytes / static_cast<double>(pace_.bytes_per_s) * 1000);
    }
    cost.in_place_ms = scan_ms + static_cast<double>(finish_ns_ + begun_ns_) / kNsPerMs;
    const double selected_bytes = per_item(static_cast<double>(counters_.selected_bytes)) * items;
    cost.ship_out_ms = per_item(ship_out_.ship_out_ms) * items + cost.in_place_ms;
    cost.not_moved = static_cast<std::uint64_t>(
        std::max(0.0, selected_bytes - static_cast<double>(result_bytes_)));
    return cost;
}

}  // namespace shardmill::engine
