#include "engine/contents_loader.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace shardmill::engine {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

}  // namespace

LoadOptions ContentsLoader::options(std::string name, bool beside_clients) {
    return {.on_broken = parts_.on_broken,
            .threads = parts_.threads,
            .evict = parts_.evict,
            .clock = parts_.clock,
            .name = std::move(name),
            .progress = &progress_,
            .gate = beside_clients ? parts_.gate : nullptr};
}

std::expected<void, std::string> ContentsLoader::load_first() {
    const auto loaded = load_snapshot(*parts_.shards, *parts_.catalog, options({}, false));
    if (!loaded) return std::unexpected(loaded.error());
    if (!*loaded) return {};
    const LoadReport& report = **loaded;
    base::log_verbose(1, "snapshot {}: {}", report.name, to_string(report));
    status_ = {.state = LoadStatus::State::Loaded, .percent = 100, .report = report, .reason = {}};
    return {};
}

std::expected<void, std::string> ContentsLoader::prepare(bool serve) {
    const auto items = items_to_load(*parts_.catalog, options({}, serve));
    if (!items) return std::unexpected(items.error());
    if (!*items) return {};
    prepared_ = incomplete_ = true;
    serve ? parts_.gate->watch(**items) : parts_.gate->refuse();
    return {};
}

void ContentsLoader::connect(ControlQueue& control, std::vector<runtime::TaskQueue*> reactors) {
    control_ = &control;
    reactors_ = std::move(reactors);
}

void ContentsLoader::start(OnEnd on_end) {
    if (!std::exchange(prepared_, false)) {
        return on_end({.state = LoadStatus::State::Loaded, .report = {}, .reason = {}});
    }
    begin(options({}, parts_.gate->mode() == LoadGate::Mode::Watch), std::move(on_end));
}

std::expected<void, std::string> ContentsLoader::load(const std::string& name, OnEnd on_end) {
    if (under_way_) {
        return std::unexpected(
            fmt::format("a snapshot is being loaded, {} percent", progress_.percent()));
    }
    LoadOptions how = options(name, true);
    how.on_broken = config::OnBrokenSnapshot::Previous;  // checked before its first item is stored
    const auto items = items_to_load(*parts_.catalog, how);
    if (!items) return std::unexpected(items.error());
    parts_.gate->watch(items->value_or(0));
    begin(std::move(how), std::move(on_end));
    return {};
}

void ContentsLoader::begin(LoadOptions how, OnEnd on_end) {
    SHARDMILL_ASSERT(control_ != nullptr && !under_way_);
    under_way_ = true;
    on_end_ = std::move(on_end);
    progress_.reset();
    started_ns_ = base::monotonic_ns();
    status_.emplace();
    thread_ = std::jthread([this, how = std::move(how)] {
        control_->post([this, outcome = load_snapshot(*parts_.shards, *parts_.catalog, how)] {
            ended(outcome);
        });
    });
}

void ContentsLoader::ended(const std::expected<std::optional<LoadReport>, std::string>& outcome) {
    thread_.join();
    const bool stopped = progress_.stop;
    status_ = status();
    if (!outcome) {
        status_->state = LoadStatus::State::Failed;
        status_->reason = outcome.error();
    } else if (stopped) {
        status_->state = LoadStatus::State::Stopped;
    } else {
        // Nothing to load after all, or a broken one that was left alone as told, is an end as
        // well.
        status_->state = LoadStatus::State::Loaded;
        status_->percent = 100;
        status_->report = outcome->value_or(LoadReport{});
        incomplete_ = false;
        base::log_verbose(1, "snapshot {}: {}", status_->report.name, to_string(status_->report));
    }
    if (!incomplete_) parts_.gate->open();
    reactors_to_see_ = reactors_.size();
    for (runtime::TaskQueue* reactor : reactors_) {
        reactor->post([this] { control_->post([this] { reactor_has_seen(); }); });
    }
    if (const OnEnd on_end = std::exchange(on_end_, nullptr)) on_end(*status_);
}

/// No reactor looks at the table any more once each has begun another task.
void ContentsLoader::reactor_has_seen() {
    if (--reactors_to_see_ != 0) return;
    if (!incomplete_) parts_.gate->release();
    under_way_ = false;
    if (when_idle_) std::exchange(when_idle_, {})();
}

bool ContentsLoader::stop() {
    if (!under_way_) return false;
    progress_.stop = true;
    return true;
}

void ContentsLoader::shut_down(runtime::Task task) {
    if (!stop()) return task();
    when_idle_ = std::move(task);
}

std::optional<LoadStatus> ContentsLoader::status() const {
    if (!status_ || status_->state != LoadStatus::State::Loading) return status_;
    LoadStatus status = *status_;
    status.percent = std::min(progress_.percent(), 99u);
    status.report.items = progress_.loaded;
    status.report.expired = progress_.expired;
    status.report.surplus = progress_.surplus;
    status.report.superseded = progress_.superseded;
    status.report.not_stored = progress_.not_stored;
    status.report.ms = (base::monotonic_ns() - started_ns_) / kNsPerMs;
    return status;
}

}  // namespace shardmill::engine
