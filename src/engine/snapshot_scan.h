#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/scan_consumer.h"
#include "snapshot/writer.h"

namespace shardmill::engine {

/// Bytes that may be written, granted little by little. Any thread.
class WriteBudget {
 public:
    /// `rate`: bytes a second, 0: there is no bound.
    explicit WriteBudget(std::uint64_t rate) noexcept
        : rate_(static_cast<std::int64_t>(rate)), left_(rate_ / kGrantsPerSecond) {}

    static constexpr std::int64_t kGrantsPerSecond = 20;

    bool bounded() const noexcept { return rate_ != 0; }
    bool spent() const noexcept { return bounded() && left_.load(std::memory_order_relaxed) <= 0; }
    void spend(std::uint64_t bytes) noexcept {
        left_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
    }
    /// A grant's worth; what is not used is not saved up.
    void grant() noexcept {
        const std::int64_t grant = std::max<std::int64_t>(rate_ / kGrantsPerSecond, 1);
        if (left_.load(std::memory_order_relaxed) < grant) {
            left_.fetch_add(grant, std::memory_order_relaxed);
        }
    }

 private:
    const std::int64_t rate_;
    std::atomic<std::int64_t> left_;
};

/// Saves what it scans: every lane fills a file of its own, the last one commits.
class SnapshotScan final : public ScanConsumer {
 public:
    SnapshotScan(std::unique_ptr<snapshot::SnapshotWriter> writer, std::uint64_t rate,
                 std::function<void(const ScanOutcome&)> on_done);

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override;
    ScanResult complete(const std::atomic<bool>& stop) override;
    void done(const ScanOutcome& outcome) override { on_done_(outcome); }

    /// Removes what was written, unless it was committed. After the last lane has ended: the scan
    /// itself may live on for a while.
    void discard() noexcept { writer_->abort(); }

    // Any thread.
    const std::string& name() const noexcept { return writer_->name(); }
    WriteBudget& budget() noexcept { return budget_; }
    std::uint64_t items() const noexcept { return items_.load(std::memory_order_relaxed); }
    std::uint64_t file_bytes() const noexcept {
        return file_bytes_.load(std::memory_order_relaxed);
    }
    /// Held by the writers at present, and at most so far.
    std::uint64_t memory_bytes() const noexcept { return memory_.load(std::memory_order_relaxed); }
    std::uint64_t memory_peak() const noexcept {
        return memory_peak_.load(std::memory_order_relaxed);
    }

    /// Set once it is committed. After the last lane has ended.
    const std::optional<snapshot::Totals>& totals() const noexcept { return totals_; }

 private:
    class Lane;

    const std::unique_ptr<snapshot::SnapshotWriter> writer_;
    const std::function<void(const ScanOutcome&)> on_done_;
    WriteBudget budget_;
    std::atomic<std::uint64_t> items_{0};
    std::atomic<std::uint64_t> file_bytes_{0};
    std::atomic<std::uint64_t> memory_{0};
    std::atomic<std::uint64_t> memory_peak_{0};
    std::optional<snapshot::Totals> totals_;
};

}  // namespace shardmill::engine
