#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/scan_consumer.h"
#include "engine/scan_driver.h"
#include "store/cut.h"

namespace shardmill::engine {

/// One scan from its cut to its last released pin. The driver's own; everything a worker or a
/// reactor does for a scan is done in here.
class ScanRun : public std::enable_shared_from_this<ScanRun> {
 public:
    ScanRun(ScanDriver& driver, const ScanParts& parts, std::shared_ptr<ScanConsumer> consumer,
            ScanOptions options);

    // Any thread.
    void cancel() noexcept;
    /// Lanes that rest are sent back to the workers.
    void resume();
    bool stopping() const noexcept { return stop_.load(std::memory_order_relaxed); }

    // Control thread.
    ScanDriver& driver() const noexcept { return driver_; }
    ScanProgress progress() const noexcept;
    const ScanOptions& options() const noexcept { return options_; }
    /// Live: which shard to cut next.
    std::uint32_t next_shard() noexcept { return shards_[shards_cut_++]; }
    /// Live: there will be no next shard.
    void no_more_shards();
    /// A shard's part of the cut has arrived.
    void add_cut(store::ShardCut cut);
    bool all_cut() const noexcept { return cuts_.size() == parts_.shards->size(); }
    /// All parts that are read together are there: the lanes begin, or go on with them.
    void start_lanes();
    /// After the last lane: gives back what no lane has taken, and tells the consumer.
    void end();
    bool is_ended() const noexcept { return ended_; }
    bool all_released() const noexcept {
        return released_.load(std::memory_order_acquire) == pinned_.load();
    }

 private:
    /// Where a lane is: on its way through the workers, at rest, or told to go on.
    enum class Rest : std::uint8_t { Running, Resting, Called };
    struct Lane {
        std::unique_ptr<ScanLane> worker;
        std::atomic<Rest> rest{Rest::Running};
        std::optional<std::uint32_t> segment;    // taken and not read to its end
        std::vector<store::PinnedSegment> read;  // to be given back with the next batch
    };

    // Worker threads. A segment belongs to the lane that took its number.
    void step(std::uint32_t lane);
    void post_step(std::uint32_t lane);
    bool read_next(Lane& lane);
    ScanResult read(Lane& lane, const store::PinnedSegment& segment);
    bool await_next_shard();
    void lane_ended(Lane& lane);
    void all_lanes_ended();
    void choose_segments();
    void drop_segments(std::vector<store::PinnedSegment> segments);
    void count_read(const store::PinnedSegment& segment) noexcept;
    void check(ScanResult result);

    // Any thread.
    void fail(std::string reason);
    void post_release(std::vector<store::PinnedSegment> segments);

    void release_on_reactor(std::span<const store::PinnedSegment> segments) noexcept;
    ScanOutcome outcome() const;

    ScanDriver& driver_;
    const ScanParts& parts_;
    const std::shared_ptr<ScanConsumer> consumer_;
    const ScanOptions options_;
    std::vector<std::uint32_t> shards_;                // to be read, ascending
    std::unique_ptr<runtime::TaskQueue> own_workers_;  // until the lanes have ended
    runtime::TaskQueue* workers_;

    std::vector<store::ShardCut> cuts_;
    std::uint32_t shards_cut_ = 0;  // live: how many, and of those the last is read
    bool no_more_shards_ = false;
    std::vector<store::PinnedSegment> segments_;  // changed only while no lane runs
    std::shared_ptr<store::CutState> cut_state_;
    std::uint32_t now_ = 0;
    std::uint64_t items_ = 0;
    std::uint64_t item_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    std::deque<Lane> lanes_;
    std::atomic<std::uint32_t> lanes_started_{0};  // 0 until all are there
    bool ended_ = false;

    std::atomic<bool> stop_{false};  // the scan is to end: cancelled or failed
    std::atomic<std::uint32_t> next_segment_{0};
    std::atomic<std::uint32_t> lanes_left_{0};
    std::atomic<std::uint32_t> lanes_reading_{0};  // live: not through with the present shard
    std::atomic<std::uint64_t> bytes_done_{0};
    std::atomic<std::uint32_t> shards_done_{0};
    std::atomic<std::size_t> pinned_{0};  // segments, ever
    std::atomic<std::size_t> released_{0};
    std::atomic<std::uint32_t> next_reactor_{0};
    std::unique_ptr<std::atomic<std::uint32_t>[]> left_in_shard_;

    mutable std::mutex mutex_;  // guards the reason: never held for longer than a copy
    bool failed_ = false;
    std::string reason_;
};

}  // namespace shardmill::engine
