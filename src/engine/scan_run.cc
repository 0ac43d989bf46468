#include "engine/scan_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <system_error>
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

ScanRun::ScanRun(ScanDriver& driver, const ScanParts& parts, std::shared_ptr<ScanConsumer> consumer,
                 ScanOptions options)
    : driver_(driver),
      parts_(parts),
      consumer_(std::move(consumer)),
      options_(std::move(options)),
      shards_(options_.shards),
      workers_(parts.workers),
      left_in_shard_(std::make_unique<std::atomic<std::uint32_t>[]>(parts.shards->size())) {
    if (shards_.empty()) {
        shards_.resize(parts_.shards->size());
        std::iota(shards_.begin(), shards_.end(), 0u);
    }
}

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
    workers_->post([self = shared_from_this(), lane] { self->step(lane); });
}

ScanProgress ScanRun::progress() const noexcept {
    ScanProgress progress;
    progress.shards = static_cast<std::uint32_t>(shards_.size());
    progress.cut = lanes_started_.load(std::memory_order_relaxed) != 0;
    progress.lanes = lanes_started_.load(std::memory_order_relaxed);
    if (progress.lanes != 0 && !ended_ && !own_workers_) {
        progress.busy_workers = std::max(lanes_left_.load(std::memory_order_relaxed), 1u);
    }
    progress.live = options_.live;
    progress.items = items_;
    progress.item_bytes = item_bytes_;
    progress.bytes = bytes_;
    progress.bytes_done = bytes_done_.load(std::memory_order_relaxed);
    progress.shards_done = shards_done_.load(std::memory_order_relaxed);
    return progress;
}

void ScanRun::add_cut(store::ShardCut cut) {
    now_ = cut.now;
    cut_state_ = cut.state;
    pinned_ += cut.segments.size();
    cuts_.push_back(std::move(cut));
}

/// What the lanes are to read of the cuts that have come; the rest is given back.
void ScanRun::choose_segments() {
    segments_.clear();
    next_segment_ = 0;
    std::vector<store::PinnedSegment> unwanted;
    std::size_t longest = 0;
    std::size_t all = 0;
    for (store::ShardCut& cut : cuts_) {
        if (!std::ranges::binary_search(shards_, cut.shard)) {
            std::ranges::move(std::exchange(cut.segments, {}), std::back_inserter(unwanted));
            continue;
        }
        items_ += cut.items;
        item_bytes_ += cut.bytes;
        longest = std::max(longest, cut.segments.size());
        all += cut.segments.size();
    }
    const std::size_t every = options_.sample == 0 ? 1 : all / options_.sample + 1;
    // All shards evict at the same time: what any of them would take first is read first.
    std::size_t number = 0;
    for (std::size_t position = 0; position < longest; ++position) {
        for (store::ShardCut& cut : cuts_) {
            if (position >= cut.segments.size()) continue;
            const bool wanted = number++ % every == every / 2;
            (wanted ? segments_ : unwanted).push_back(std::move(cut.segments[position]));
        }
    }
    cuts_.clear();
    drop_segments(std::move(unwanted));
    for (const store::PinnedSegment& segment : segments_) {
        bytes_ += segment.bytes;
        left_in_shard_[segment.shard].fetch_add(1, std::memory_order_relaxed);
    }
    const auto first = options_.live ? shards_.begin() + shards_cut_ - 1 : shards_.begin();
    const auto last = options_.live ? first + 1 : shards_.end();
    shards_done_ += static_cast<std::uint32_t>(std::count_if(
        first, last, [this](std::uint32_t shard) { return left_in_shard_[shard] == 0; }));
}

void ScanRun::start_lanes() {
    choose_segments();
    const auto begun = lanes_started_.load(std::memory_order_relaxed);
    // One lane even without a segment: a consumer's whole is made by its lanes.
    const auto most = static_cast<std::uint32_t>(std::max<std::size_t>(segments_.size(), 1));
    const std::uint32_t lanes = begun != 0      ? begun
                                : options_.live ? parts_.lanes
                                                : std::min(parts_.lanes, most);
    lanes_reading_ = lanes;
    if (begun == 0) {
        for (std::uint32_t lane = 0; lane < lanes; ++lane) lanes_.emplace_back();
        lanes_left_ = lanes;
        if (options_.percent != 0) {
            try {
                own_workers_ = parts_.make_workers(options_.percent);
                workers_ = own_workers_.get();
            } catch (const std::system_error& error) {
                fail(fmt::format("no threads for cpu={}: {}", options_.percent, error.what()));
            }
        }
        lanes_started_.store(lanes, std::memory_order_release);
    }
    for (std::uint32_t lane = 0; lane < lanes; ++lane) post_step(lane);
}

void ScanRun::no_more_shards() {
    no_more_shards_ = true;
    if (lanes_.empty()) return driver_.ended(shared_from_this());
    for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) post_step(lane);
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
    if (!lane.read.empty()) post_release(std::exchange(lane.read, {}));
    if (await_next_shard()) return;
    lane_ended(lane);
}

/// True: there is another shard to come. The lane is posted again when it has.
bool ScanRun::await_next_shard() {
    if (!options_.live || no_more_shards_ || shards_cut_ == shards_.size()) return false;
    if (lanes_reading_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        parts_.control->post([self = shared_from_this()] { self->driver_.cut_shard(self); });
    }
    return true;
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
    if (lane.worker->unfinished()) return !stopping();
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
    own_workers_.reset();
    std::vector<store::PinnedSegment> untaken;
    for (store::ShardCut& cut : cuts_) {
        std::ranges::move(std::exchange(cut.segments, {}), std::back_inserter(untaken));
    }
    const auto size = static_cast<std::uint32_t>(segments_.size());
    for (std::uint32_t index = std::min(next_segment_.load(), size); index < size; ++index) {
        untaken.push_back(std::move(segments_[index]));
    }
    drop_segments(std::move(untaken));
    ended_ = true;
    consumer_->done(outcome());
}

/// Gives back what no lane has taken.
void ScanRun::drop_segments(std::vector<store::PinnedSegment> segments) {
    std::vector<store::PinnedSegment> batch;
    for (store::PinnedSegment& segment : segments) {
        batch.push_back(std::move(segment));
        if (batch.size() >= kReleaseBatch) post_release(std::exchange(batch, {}));
    }
    if (!batch.empty()) post_release(std::move(batch));
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
    if (before + segments.size() == pinned_.load()) {
        parts_.control->post([self = shared_from_this()] { self->driver_.released(self); });
    }
}

}  // namespace shardmill::engine
