#include "engine/scan_driver.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "engine/scan_run.h"

namespace shardmill::engine {

std::uint32_t ScanProgress::percent() const noexcept {
    if (!cut) return 0;
    if (live) return shards == 0 ? 100 : shards_done * 100 / shards;
    if (bytes_done >= bytes) return 100;
    // Not rounded up: 100 means that nothing is left.
    return static_cast<std::uint32_t>(bytes_done * 100 / bytes);
}

ScanDriver::Handle::Handle(std::shared_ptr<ScanRun> run) noexcept : run_(std::move(run)) {}
ScanDriver::Handle::Handle(Handle&&) noexcept = default;
ScanDriver::Handle& ScanDriver::Handle::operator=(Handle&&) noexcept = default;
ScanDriver::Handle::~Handle() = default;
void ScanDriver::Handle::cancel() noexcept { run_->cancel(); }
void ScanDriver::Handle::abandon() { run_->driver().abandon(run_); }
ScanProgress ScanDriver::Handle::progress() const noexcept { return run_->progress(); }

void ScanDriver::Remote::resume() const {
    if (const auto run = run_.lock()) run->resume();
}
void ScanDriver::Remote::cancel() const {
    if (const auto run = run_.lock()) run->cancel();
}

bool ScanDriver::Remote::stopping() const {
    const auto run = run_.lock();
    return !run || run->stopping();
}

ScanDriver::ScanDriver(ScanParts parts) : parts_(std::move(parts)) {
    SHARDMILL_ASSERT(parts_.shards && parts_.control && parts_.workers);
    SHARDMILL_ASSERT(!parts_.reactors.empty() && parts_.lanes > 0);
}

ScanDriver::~ScanDriver() { SHARDMILL_ASSERT(runs_.empty() && abandoned_.empty()); }

ScanDriver::Handle ScanDriver::start(std::shared_ptr<ScanConsumer> consumer, ScanOptions options) {
    auto run = std::make_shared<ScanRun>(*this, parts_, std::move(consumer), std::move(options));
    runs_.push_back(run);
    if (run->options().live) {
        parts_.control->post([this, run] { cut_shard(run); });
        return Handle(std::move(run));
    }
    want_cut_.push_back(run);
    // Not from inside the caller, who does not hold the handle yet.
    parts_.control->post([this] { cut_next(); });
    return Handle(std::move(run));
}

/// One cut at a time: the shards keep one ready to be collected.
void ScanDriver::cut_next() {
    while (!cutting_ && !want_cut_.empty()) {
        const std::shared_ptr<ScanRun> run = std::move(want_cut_.front());
        want_cut_.pop_front();
        if (run->stopping()) {
            ended(run);
            continue;
        }
        cutting_ = run;
        gate_.want_cut();
        parts_.reactors[0]->post([this, run] { begin_cut(run); });
    }
}

/// On a reactor; every shard's part is collected on one, spread over all.
void ScanDriver::begin_cut(const std::shared_ptr<ScanRun>& run) {
    if (!gate_.clear()) {
        return parts_.reactors[0]->post([this, run] { begin_cut(run); });
    }
    parts_.shards->begin_cut(parts_.clock());
    gate_.cut_taken();
    for (std::uint32_t shard = 0; shard < parts_.shards->size(); ++shard) {
        reactor_of(shard).post([this, run, shard] {
            store::ShardCut cut = parts_.shards->collect_cut(shard);
            parts_.control->post(
                [this, run, cut = std::move(cut)]() mutable { collected(run, std::move(cut)); });
        });
    }
}

/// The next shard of a scan that takes them one after the other.
void ScanDriver::cut_shard(const std::shared_ptr<ScanRun>& run) {
    if (run->stopping()) return run->no_more_shards();
    const std::uint32_t shard = run->next_shard();
    gate_.want_cut();
    reactor_of(shard).post([this, run, shard] { take_cut(run, shard); });
}

/// On a reactor.
void ScanDriver::take_cut(const std::shared_ptr<ScanRun>& run, std::uint32_t shard) {
    if (!gate_.clear()) {
        return reactor_of(shard).post([this, run, shard] { take_cut(run, shard); });
    }
    store::ShardCut cut =
        parts_.shards->lock(shard)->take_cut(parts_.clock(), std::make_shared<store::CutState>());
    gate_.cut_taken();
    parts_.control->post([run, cut = std::move(cut)]() mutable {
        run->add_cut(std::move(cut));
        run->start_lanes();
    });
}

runtime::TaskQueue& ScanDriver::reactor_of(std::uint32_t shard) const noexcept {
    return *parts_.reactors[shard % parts_.reactors.size()];
}

void ScanDriver::collected(const std::shared_ptr<ScanRun>& run, store::ShardCut cut) {
    run->add_cut(std::move(cut));
    if (!run->all_cut()) return;
    cutting_.reset();
    run->start_lanes();
    cut_next();
}

void ScanDriver::ended(const std::shared_ptr<ScanRun>& run) {
    run->end();
    if (run->all_released()) released(run);
}

void ScanDriver::released(const std::shared_ptr<ScanRun>& run) {
    // The last release may come before or after the end of the lanes; the later of the two counts.
    if (!run->is_ended()) return;
    std::erase(abandoned_, run);
    if (std::erase(runs_, run) != 0) look_whether_idle();
}

void ScanDriver::abandon(const std::shared_ptr<ScanRun>& run) {
    if (std::erase(runs_, run) == 0) return;
    abandoned_.push_back(run);
    look_whether_idle();
}

void ScanDriver::look_whether_idle() {
    if (runs_.empty() && when_idle_) std::exchange(when_idle_, {})();
}

void ScanDriver::cancel_all() noexcept {
    for (const std::shared_ptr<ScanRun>& run : runs_) run->cancel();
}

void ScanDriver::when_idle(runtime::Task task) {
    if (runs_.empty()) {
        task();
        return;
    }
    when_idle_ = std::move(task);
}

}  // namespace shardmill::engine
