#include "engine/scan_run.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace shardmill::engine {
namespace {

/// Segments that are given back together: few enough to keep a reactor's task short and memory from
/// waiting.
constexpr std::size_t kReleaseBatch = 8;

constexpr const char* kTakenBack =
    "memory ran out while the scan held it: more was overwritten or evicted than fits; raise -m, "
    "or "
    "run it when less is written";

}  // namespace

ScanRun::ScanRun(ScanDriver& driver, const ScanParts& parts, std::shared_ptr<ScanConsumer> consumer)
    : driver_(driver), parts_(parts), consumer_(std::move(consumer)) {}

void ScanRun::cancel() noexcept {
    stop_.store(true, std::memory_order_relaxed);
    resume();
}

void ScanRun::resume() {
    const std::uint32_t lanes = lanes_started_.load(std::memory_order_acquire);
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
        if (lanes_[lane].rest.exchange(Rest::Called, std::memory_order_acq_rel) == Rest::Resting) {
            post_step(lane);
        }
    }
}

void ScanRun::post_step(std::uint32_t lane) {
    parts_.workers->post([self = shared_from_this(), lane] { self->step(lane); });
}

ScanProgress ScanRun::progress() const noexcept {
    ScanProgress progress;
    progress.shards = parts_.shards->size();
    progress.cut = all_cut();
    progress.items = items_;
    progress.bytes = bytes_;
    progress.bytes_done = bytes_done_.load(std::memory_order_relaxed);
    progress.shards_done = shards_done_.load(std::memory_order_relaxed);
    return progress;
}

void ScanRun::add_cut(store::ShardCut cut) {
    now_ = cut.now;
    cut_state_ = cut.state;
    items_ += cut.items;
    cuts_.push_back(std::move(cut));
}

void ScanRun::start_lanes() {
    const std::uint32_t shards = parts_.shards->size();
    left_in_shard_ = std::make_unique<std::atomic<std::uint32_t>[]>(shards);
    std::size_t longest = 0;
    for (const store::ShardCut& cut : cuts_) {
        left_in_shard_[cut.shard] = static_cast<std::uint32_t>(cut.segments.size());
        if (cut.segments.empty()) shards_done_.fetch_add(1, std::memory_order_relaxed);
        longest = std::max(longest, cut.segments.size());
    }
    // All shards evict at the same time: what any of them would take first is read first.
    for (std::size_t position = 0; position < longest; ++position) {
        for (store::ShardCut& cut : cuts_) {
            if (position >= cut.segments.size()) continue;
            bytes_ += cut.segments[position].bytes;
            segments_.push_back(std::move(cut.segments[position]));
        }
    }
    // One lane even without a segment: a consumer's whole is made by its lanes.
    const auto most = static_cast<std::uint32_t>(std::max<std::size_t>(segments_.size(), 1));
    const std::uint32_t lanes = std::min(parts_.lanes, most);
    for (std::uint32_t lane = 0; lane < lanes; ++lane) lanes_.emplace_back();
    lanes_left_ = lanes;
    lanes_started_.store(lanes, std::memory_order_release);
    for (std::uint32_t lane = 0; lane < lanes; ++lane) post_step(lane);
}

void ScanRun::step(std::uint32_t index) {
    Lane& lane = lanes_[index];
    lane.rest.exchange(Rest::Running, std::memory_order_acq_rel);
    if (!lane.worker && !stopping()) {
        auto started = consumer_->start_lane();
        if (started) {
            lane.worker = std::move(*started);
        } else {
            fail(std::move(started.error()));
        }
    }
    if (!stopping() && read_next(lane)) {
        // Whoever resumes meanwhile finds the lane at rest, or leaves a mark that it sees here.
        Rest running = Rest::Running;
        if (lane.worker->resting() && !stopping() &&
            lane.rest.compare_exchange_strong(running, Rest::Resting, std::memory_order_acq_rel)) {
            return;
        }
        // Behind everybody else's: scans that run at the same time share the workers.
        post_step(index);
        return;
    }
    lane_ended(lane);
}

/// False: this lane has nothing more to read.
bool ScanRun::read_next(Lane& lane) {
    if (!lane.segment) {
        const std::uint32_t index = next_segment_.fetch_add(1, std::memory_order_relaxed);
        if (index >= segments_.size()) return false;
        lane.segment = index;
    }
    store::PinnedSegment& segment = segments_[*lane.segment];
    const ScanResult result = read(lane, segment);
    if (!result) {
        fail(result.error());
        return false;
    }
    if (lane.worker->resting()) {
        // For however long: only the segment that is being read waits with it.
        if (!lane.read.empty()) post_release(std::exchange(lane.read, {}));
        return !stopping();
    }
    count_read(segment);
    lane.read.push_back(std::move(segment));
    lane.segment.reset();
    if (lane.read.size() >= kReleaseBatch) post_release(std::exchange(lane.read, {}));
    return !stopping();
}

ScanResult ScanRun::read(Lane& lane, const store::PinnedSegment& segment) {
    if (cut_state_->failed.load(std::memory_order_relaxed) || !segment.claim()) {
        return std::unexpected(kTakenBack);
    }
    return lane.worker->map(segment, now_, stop_);
}

void ScanRun::count_read(const store::PinnedSegment& segment) noexcept {
    bytes_done_.fetch_add(segment.bytes, std::memory_order_relaxed);
    if (left_in_shard_[segment.shard].fetch_sub(1, std::memory_order_relaxed) == 1) {
        shards_done_.fetch_add(1, std::memory_order_relaxed);
    }
}

void ScanRun::check(ScanResult result) {
    if (!result) fail(std::move(result.error()));
}

void ScanRun::lane_ended(Lane& lane) {
    if (lane.segment) lane.read.push_back(std::move(segments_[*lane.segment]));
    if (!lane.read.empty()) post_release(std::exchange(lane.read, {}));
    if (lane.worker && !stopping()) check(lane.worker->finish());
    lane.worker.reset();
    if (lanes_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_lanes_ended();
}

void ScanRun::all_lanes_ended() {
    if (!stopping()) check(consumer_->complete(stop_));
    parts_.control->post([self = shared_from_this()] { self->driver_.ended(self); });
}

void ScanRun::end() {
    std::vector<store::PinnedSegment> untaken;
    const auto size = static_cast<std::uint32_t>(segments_.size());
    for (std::uint32_t index = std::min(next_segment_.load(), size); index < size; ++index) {
        untaken.push_back(std::move(segments_[index]));
        if (untaken.size() >= kReleaseBatch) post_release(std::exchange(untaken, {}));
    }
    if (!untaken.empty()) post_release(std::move(untaken));
    ended_ = true;
    consumer_->done(outcome());
}

void ScanRun::fail(std::string reason) {
    {
        const std::lock_guard lock(mutex_);
        // A consumer that stops because it was told to has not failed.
        if (!failed_ && !stopping()) {
            failed_ = true;
            reason_ = std::move(reason);
        }
        stop_.store(true, std::memory_order_relaxed);
    }
    resume();
}

ScanOutcome ScanRun::outcome() const {
    const std::lock_guard lock(mutex_);
    if (failed_) return {ScanOutcome::Status::Failed, reason_};
    if (stopping()) return {ScanOutcome::Status::Stopped, "stopped"};
    return {ScanOutcome::Status::Completed, {}};
}

void ScanRun::post_release(std::vector<store::PinnedSegment> segments) {
    const std::uint32_t turn = next_reactor_.fetch_add(1, std::memory_order_relaxed);
    runtime::TaskQueue& reactor = *parts_.reactors[turn % parts_.reactors.size()];
    reactor.post([self = shared_from_this(), segments = std::move(segments)] {
        self->release_on_reactor(segments);
    });
}

void ScanRun::release_on_reactor(std::span<const store::PinnedSegment> segments) noexcept {
    parts_.shards->release_cut(segments);
    const std::size_t before = released_.fetch_add(segments.size(), std::memory_order_acq_rel);
    if (before + segments.size() == segments_.size()) {
        parts_.control->post([self = shared_from_this()] { self->driver_.released(self); });
    }
}

}  // namespace shardmill::engine
