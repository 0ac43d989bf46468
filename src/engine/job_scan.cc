#include "engine/job_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "engine/job_cost.h"
#include "engine/json_text.h"
#include "runtime/worker_pool.h"

namespace shardmill::engine {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

// A lane looks around after some items: as many as take about so much CPU time, fewer where they
// wait for something. It leaves the worker after a turn.
constexpr std::uint64_t kItemsMost = 8192;
constexpr std::uint64_t kItemsMostActing = 256;
constexpr std::uint64_t kStepNs = kNsPerMs / 10;
constexpr std::uint64_t kLongNs = 5 * kNsPerMs;
constexpr std::uint64_t kTurnNs = 5 * kNsPerMs;

constexpr std::size_t kDryItems = 10;  // that a dry run names

std::string action_name(compute::Action::Kind kind) {
    constexpr const char* kNames[] = {"delete", "touch", "copy"};
    return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace

/// For as long as a program is at work somewhere.
class JobScan::Busy {
 public:
    explicit Busy(std::atomic<std::uint64_t>& since_ns) noexcept
        : since_ns_(since_ns), began_ns_(base::monotonic_ns()) {
        since_ns_.store(began_ns_, std::memory_order_relaxed);
    }
    ~Busy() { since_ns_.store(0, std::memory_order_relaxed); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

    std::uint64_t began_ns() const noexcept { return began_ns_; }

 private:
    std::atomic<std::uint64_t>& since_ns_;
    const std::uint64_t began_ns_;
};

class JobScan::Lane final : public ScanLane {
 public:
    Lane(JobScan& job, compute::Partial partial, std::atomic<std::uint64_t>& busy_since_ns)
        : job_(job), partial_(std::move(partial)), busy_since_ns_(busy_since_ns) {}

    ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                   const std::atomic<bool>& stop) override {
        unfinished_ = false;
        const std::uint64_t turn_began = base::monotonic_ns();
        while (!at_end_) {
            resting_ = job_.must_rest();
            if (resting_) return {};
            if (auto read = read_some(segment, now, stop); !read) return read;
            unfinished_ = !at_end_ && base::monotonic_ns() - turn_began > kTurnNs;
            if (unfinished_) return {};
        }
        // An item may only be changed while its segment is pinned.
        resting_ = outstanding_->load(std::memory_order_acquire) != 0;
        if (resting_) return {};
        at_end_ = false;
        cursor_ = {};
        return {};
    }
    bool resting() const noexcept override { return resting_; }
    bool unfinished() const noexcept override { return unfinished_; }

    ScanResult finish() override {
        const Busy busy(busy_since_ns_);
        return job_.merge(std::move(partial_));
    }

 private:
    ScanResult read_some(const store::PinnedSegment& segment, std::uint32_t now,
                         const std::atomic<bool>& stop) {
        const compute::Counters before = partial_.counters();
        const std::uint64_t cpu_before = base::thread_cpu_ns();
        const std::uint64_t items = job_.pace_.items_at_once(items_);
        const bool merges = job_.plan_.partial == PartialMode::Merge;
        std::uint64_t began = 0;
        ScanResult result;
        {
            const Busy busy(busy_since_ns_);
            began = busy.began_ns();
            result =
                merges ? load_partials(segment, now, items) : map_some(segment, now, stop, items);
        }
        const std::uint64_t cpu_ns = base::thread_cpu_ns() - cpu_before;
        adapt(base::monotonic_ns() - began, cpu_ns);
        if (result) result = job_.count(before, partial_, cpu_ns);
        runtime::give_way();
        return result;
    }

    ScanResult map_some(const store::PinnedSegment& segment, std::uint32_t now,
                        const std::atomic<bool>& stop, std::uint64_t items) {
        const auto end = partial_.map_some(segment, now, stop, cursor_, items);
        if (!end) return std::unexpected(end.error().message);
        at_end_ = *end;
        if (!job_.acts()) return {};
        auto picked = partial_.take_picked();
        if (job_.changes_) {
            job_.changes_->act(segment.shard, std::move(picked), outstanding_);
        } else {
            job_.look_only(picked);
        }
        return {};
    }

    /// The items are partials that were saved.
    ScanResult load_partials(const store::PinnedSegment& segment, std::uint32_t now,
                             std::uint64_t items) {
        ScanResult result;
        at_end_ = store::visit_items_from(segment, now, cursor_, [&](const store::ItemView& item) {
            if (item.key.starts_with(job_.plan_.partial_prefix)) {
                if (const auto loaded = partial_.load(item.value); !loaded) {
                    result =
                        std::unexpected(fmt::format("{}: {}", item.key, loaded.error().message));
                }
            }
            return result.has_value() && --items > 0;
        });
        return result;
    }

    void adapt(std::uint64_t took_ns, std::uint64_t cpu_ns) noexcept {
        const std::uint64_t most = job_.acts() ? kItemsMostActing : kItemsMost;
        std::uint64_t fitting = items_ * kStepNs / std::max<std::uint64_t>(cpu_ns, 1);
        // It sleeps, or the machine is busy with others.
        if (took_ns > kLongNs) fitting = std::min(fitting, items_ / 2);
        items_ = std::clamp<std::uint64_t>(fitting, 1, std::min(items_ * 2, most));
    }

    JobScan& job_;
    compute::Partial partial_;
    std::atomic<std::uint64_t>& busy_since_ns_;
    const ItemChanges::Outstanding outstanding_ = std::make_shared<std::atomic<std::uint32_t>>(0);
    store::SegmentCursor cursor_;
    std::uint64_t items_ = 1;
    bool at_end_ = false;
    bool resting_ = false;
    bool unfinished_ = false;
};

JobScan::JobScan(JobPlan plan, const JobScanParts& parts,
                 std::function<void(const ScanOutcome&)> on_done)
    : plan_(std::move(plan)),
      parts_(parts),
      on_done_(std::move(on_done)),
      budget_(std::make_shared<compute::JobBudget>(plan_.limits)),
      changes_(acts() && !plan_.dry
                   ? std::make_shared<ItemChanges>(parts_.changes, *plan_.program->action())
                   : nullptr),
      started_ns_(base::monotonic_ns()),
      pace_(plan_.pace) {}

void JobScan::regulate(ScanDriver::Remote remote) {
    remote_ = remote;
    if (changes_) changes_->flow().regulate(std::move(remote));
}

std::expected<std::unique_ptr<ScanLane>, std::string> JobScan::start_lane() {
    auto partial = compute::Partial::start(plan_.program, budget_, plan_.access);
    if (!partial) return std::unexpected(std::move(partial.error().message));
    pace_.lane_started(base::monotonic_ns());
    const std::lock_guard lock(mutex_);
    return std::make_unique<Lane>(*this, std::move(*partial), busy_since_ns_.emplace_back(0));
}

bool JobScan::must_rest() {
    if (changes_ && changes_->flow().full()) return true;
    const std::uint64_t wait_ns = pace_.wait_ns(base::monotonic_ns());
    if (wait_ns != 0) wake_after(wait_ns);
    return wait_ns != 0;
}

/// One timer for all lanes.
void JobScan::wake_after(std::uint64_t wait_ns) {
    if (waking_.exchange(true, std::memory_order_acq_rel)) return;
    const std::chrono::milliseconds delay((wait_ns + kNsPerMs - 1) / kNsPerMs);
    parts_.control->post([self = shared_from_this(), delay] {
        self->parts_.control->post_after(delay, [self] {
            self->waking_.store(false, std::memory_order_release);
            self->remote_.resume();
        });
    });
}

ScanResult JobScan::count(const compute::Counters& before, const compute::Partial& partial,
                          std::uint64_t cpu_ns) {
    const compute::Counters& after = partial.counters();
    const auto add = [](std::atomic<std::uint64_t>& sum, std::uint64_t more) {
        return sum.fetch_add(more, std::memory_order_relaxed) + more;
    };
    const std::uint64_t items = after.scanned - before.scanned;
    const std::uint64_t bytes = after.bytes - before.bytes;
    pace_.charge(items, bytes, cpu_ns);
    add(scanned_, items);
    add(bytes_, bytes);
    add(cpu_ns_, cpu_ns);
    add(selected_, after.selected - before.selected);
    add(selected_bytes_, after.selected_bytes - before.selected_bytes);
    add(matched_, after.matched - before.matched);
    const std::uint64_t failed = add(failed_, after.failed - before.failed);
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

void JobScan::look_only(std::span<const kernel::Item> items) {
    const std::lock_guard lock(mutex_);
    for (const kernel::Item& item : items) {
        if (!ItemChanges::can(*plan_.program->action(), item)) {
            ++dry_refused_;
            continue;
        }
        const std::string_view key = kernel::key_of(item);
        const std::uint64_t bytes = key.size() + item.value_bytes;
        dry_bytes_ += bytes;
        if (dry_items_.size() == kDryItems) {
            if (key >= dry_items_.rbegin()->first) continue;
            dry_items_.erase(std::prev(dry_items_.end()));
        }
        dry_items_.emplace(key, bytes);
    }
}

compute::Row JobScan::action_row(const JobFigures& figures) const {
    JsonObject json;
    json.add("matched", figures.matched);
    json.add("acted", figures.acted);
    json.add("gone", figures.gone);
    json.add("changed", figures.changed);
    json.add("refused", plan_.dry ? dry_refused_ : figures.refused);
    if (plan_.dry) {
        json.add("bytes", dry_bytes_);
        json.add("dry", 1u);
    }
    return {.key = action_name(plan_.program->action()->kind), .value = std::move(json).take()};
}

/// Of a dry run also the first items that would be acted on.
std::vector<compute::Row> JobScan::action_rows(const JobFigures& figures) const {
    std::vector rows{action_row(figures)};
    for (const auto& [key, bytes] : dry_items_) {
        JsonObject json;
        json.add("bytes", bytes);
        rows.push_back({.key = key, .value = std::move(json).take()});
    }
    return rows;
}

std::expected<std::vector<compute::Row>, std::string> JobScan::make_rows() {
    const Busy busy(finishing_since_ns_);
    if (acts()) return action_rows(figures());
    if (plan_.partial == PartialMode::Save) {
        auto saved = merged_->save();
        if (!saved) return std::unexpected(std::move(saved.error().message));
        return std::vector{compute::Row{.key = plan_.status.id, .value = std::move(*saved)}};
    }
    auto result = merged_->finish();
    if (!result) return std::unexpected(std::move(result.error().message));
    if (plan_.limit && result->rows.size() > *plan_.limit) result->rows.resize(*plan_.limit);
    return std::move(result->rows);
}

ScanResult JobScan::complete(const std::atomic<bool>& stop) {
    SHARDMILL_ASSERT(merged_.has_value());
    const std::uint64_t cpu_before = base::thread_cpu_ns();
    auto rows = make_rows();
    cpu_ns_.fetch_add(base::thread_cpu_ns() - cpu_before, std::memory_order_relaxed);
    if (!rows) return std::unexpected(std::move(rows.error()));

    JobStatus status = plan_.status;
    status.state = JobState::Done;
    status.figures = figures();
    status.figures.rows = rows->size();
    for (const compute::Row& row : *rows) {
        status.figures.result_bytes += row.key.size() + row.value.size();
    }
    status.measured =
        measured_cost(status.figures, static_cast<double>(cpu_ns_.load(std::memory_order_relaxed)),
                      static_cast<double>(base::monotonic_ns() - started_ns_));
    status.ended = base::unix_now();
    if (stop.load(std::memory_order_relaxed)) return std::unexpected("stopped");
    if (plan_.to == RowTarget::Items) {
        rows_ = std::move(*rows);
    } else {
        if (auto saved = parts_.results->save(status, std::move(*rows)); !saved) return saved;
        kept_ = true;
    }
    const std::lock_guard lock(mutex_);
    merged_.reset();
    final_ = status.figures;
    cost_ = status.measured;
    return {};
}

std::optional<JobCost> JobScan::cost() const {
    const std::lock_guard lock(mutex_);
    return cost_;
}

std::uint64_t JobScan::stuck_ms() const {
    std::uint64_t earliest = finishing_since_ns_.load(std::memory_order_relaxed);
    {
        const std::lock_guard lock(mutex_);
        for (const auto& since : busy_since_ns_) {
            const std::uint64_t began = since.load(std::memory_order_relaxed);
            if (began != 0 && (earliest == 0 || began < earliest)) earliest = began;
        }
    }
    return earliest == 0 ? 0 : (base::monotonic_ns() - earliest) / kNsPerMs;
}

JobFigures JobScan::figures() const {
    std::uint64_t workers = 0;
    {
        const std::lock_guard lock(mutex_);
        if (final_) return *final_;
        workers = busy_since_ns_.size();
    }
    JobFigures figures;
    figures.scanned = scanned_.load(std::memory_order_relaxed);
    figures.selected = selected_.load(std::memory_order_relaxed);
    figures.selected_bytes = selected_bytes_.load(std::memory_order_relaxed);
    figures.matched = matched_.load(std::memory_order_relaxed);
    figures.failed = failed_.load(std::memory_order_relaxed);
    figures.bytes = bytes_.load(std::memory_order_relaxed);
    figures.ms = (base::monotonic_ns() - started_ns_) / kNsPerMs;
    figures.cpu_ms = cpu_ns_.load(std::memory_order_relaxed) / kNsPerMs;
    figures.workers = workers;
    figures.peak_bytes = budget_->peak_bytes();
    if (changes_) {
        const ChangeCounts counts = changes_->counts();
        figures.acted = counts.acted;
        figures.gone = counts.gone;
        figures.changed = counts.changed;
        figures.refused = counts.refused;
    }
    return figures;
}

}  // namespace shardmill::engine
