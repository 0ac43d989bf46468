#include "engine/engine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "compute/plugin_loader.h"
#include "engine/command_context.h"
#include "engine/stats_settings.h"
#include "uring/file.h"

namespace shardmill::engine {
namespace {

/// What the limit can be raised to.
std::uint64_t machine_memory() {
    return static_cast<std::uint64_t>(std::max(0l, ::sysconf(_SC_PHYS_PAGES))) *
           static_cast<std::uint64_t>(std::max(0l, ::sysconf(_SC_PAGESIZE)));
}

store::StoreConfig store_config(const config::Config& config) {
    return {.memory_limit = config.memory_limit,
            .shards = config.shards,
            .reactors = config.reactors,
            .item_bytes_max = config.item_bytes_max,
            .evict = config.evict,
            .large_pages = config.large_pages,
            .hit_weight = config.hit_weight,
            .small_share = config.small_share,
            .track_sizes = tracked_sizes(
                {.item_bytes_max = config.item_bytes_max, .cas_enabled = config.cas_enabled},
                config.track_sizes),
            .limit_max = machine_memory()};
}

/// What a reactor's log lines of one turn may come to, if memcached's figure is not larger: that
/// one is for a buffer that is emptied more often.
constexpr std::uint64_t kLogTurnBytes = 1u << 20;

SnapshotSettings snapshot_settings(const config::Config& config) {
    return {.codec = config.snapshot_compress ? snapshot::Codec::Zstd : snapshot::Codec::None,
            .level = config.snapshot_level,
            .keep = config.snapshot_keep,
            .rate = config.snapshot_rate,
            .interval = std::chrono::seconds(config.snapshot_interval_s)};
}

std::uint32_t cores() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace

Engine::Engine(const config::Config& config)
    : config_(config),
      started_at_(base::unix_now()),
      workers_count_(config.workers != 0 ? config.workers : cores()),
      settings_(config_),
      prefixes_(config.prefix_delimiter, config.reactors),
      hot_(config.reactors),
      shards_(store_config(config)),
      counters_(config.reactors + 1),
      registry_(compute::Registry::with_builtins()) {
    StatsProviders providers;
    providers.shards = &shards_;
    providers.config = &config_;
    providers.settings = &settings_;
    providers.prefixes = &prefixes_;
    for (const HotSample& sample : hot_) providers.hot.push_back(&sample);
    providers.server = &server_counters_;
    for (const Counters& counters : counters_) providers.counters.push_back(&counters);
    providers.started_at = started_at_;
    providers.settings_lines = settings_lines(config_);
    statistics_ = std::make_unique<Statistics>(std::move(providers));
    if (!config_.auth_file.empty()) auth_file_ = std::make_unique<AuthFile>(config_.auth_file);
    make_executors();
}

Engine::~Engine() = default;

ExecutorConfig Engine::executor_config(std::uint32_t reactor) const {
    return {.reactor = reactor,
            .reactors = config_.reactors,
            .item_bytes_max = config_.item_bytes_max,
            .flush_enabled = config_.flush_enabled,
            .cas_enabled = config_.cas_enabled,
            .sasl = config_.sasl,
            .started_at = started_at_};
}

void Engine::make_executors() {
    log_shared_.counters = &server_counters_;
    log_shared_.turn_bytes_max =
        std::max(kLogTurnBytes, std::uint64_t{config_.tuning.worker_logbuf_kib} << 10);
    log_shared_.watcher_bytes_max = std::uint64_t{config_.watcher_logbuf_kib} << 10;
    log_shared_.clock_us = base::unix_now_us;
    for (std::uint32_t reactor = 0; reactor < config_.reactors; ++reactor) {
        EventLog& log = logs_.emplace_back(log_shared_);
        ExecutorParts parts{.shards = &shards_,
                            .counters = &counters_[reactor],
                            .statistics = statistics_.get(),
                            .settings = &settings_,
                            .prefixes = &prefixes_.recorder(reactor),
                            .hot = &hot_[reactor],
                            .log = &log,
                            .watchers = &watchers_,
                            .control = &control_service_,
                            .loading = &load_gate_,
                            .auth_file = auth_file_.get(),
                            .stop = {}};
        if (config_.shutdown_command)
            parts.stop = [this](bool graceful) { request_stop_(graceful); };
        executors_.emplace_back(executor_config(reactor), parts);
    }
}

std::vector<net::Executor*> Engine::executors() {
    std::vector<net::Executor*> executors;
    for (RequestExecutor& executor : executors_) executors.push_back(&executor);
    return executors;
}

std::expected<void, std::string> Engine::open_authentication() {
    if (config_.sasl) {
        auto opened = SaslService::open();
        if (!opened) return std::unexpected(std::move(opened.error()));
        sasl_ = std::move(*opened);
    }
    if (!auth_file_) return {};
    return auth_file_->load();
}

void Engine::reload_auth_file() {
    if (!auth_file_) return;
    if (auto loaded = auth_file_->load()) {
        base::log_verbose(1, "authentication file {} read again", auth_file_->path());
    } else {
        base::log_error("{}; the users known before stay", loaded.error());
    }
}

std::expected<void, std::string> Engine::open() {
    if (config_.large_pages && !shards_.large_pages()) {
        base::log_verbose(1, "-L: this kernel has no large pages; going on without");
    }
    if (auto opened = open_authentication(); !opened) return opened;
    if (!config_.kernel_dir.empty()) {
        for (const std::string& refused : compute::load_plugins(config_.kernel_dir, registry_)) {
            base::log_error("{}", refused);
        }
    }
    if (auto opened = open_directory(); !opened) return opened;
    results_ = std::make_unique<JobResults>(catalog_.get());
    journal_ = std::make_unique<JobJournal>(catalog_.get());
    return load_contents();
}

std::expected<void, std::string> Engine::open_directory() {
    if (config_.snapshot_dir.empty()) return {};
    auto catalog = snapshot::Catalog::open(uring::real_file_system(), config_.snapshot_dir);
    if (!catalog) return std::unexpected(std::move(catalog.error().what));
    catalog_ = std::move(*catalog);
    if (const auto removed = catalog_->remove_leftovers(); !removed) {
        base::log_error("leftovers of interrupted saves stay: {}", removed.error().what);
    } else if (*removed > 0) {
        base::log_verbose(1, "removed {} leftovers of interrupted saves", *removed);
    }
    return {};
}

std::expected<void, std::string> Engine::load_contents() {
    loader_ = std::make_unique<ContentsLoader>(
        ContentsLoader::Parts{.shards = &shards_,
                              .catalog = catalog_.get(),
                              .gate = &load_gate_,
                              .threads = std::max(config_.reactors, 1u),
                              .evict = config_.evict,
                              .on_broken = config_.on_broken_snapshot});
    if (!catalog_) return {};
    if (!config_.memory_file.empty()) return load_once();
    return load_or_prepare();
}

/// With -e: what is in memory from there on goes its own way, and after anything but a graceful
/// stop the next start must not bring back what clients have since replaced or deleted.
std::expected<void, std::string> Engine::load_once() {
    const auto committed = catalog_->current();
    if (!committed || *committed) {
        if (auto loaded = load_or_prepare(); !loaded) return loaded;
    }
    return loader_->incomplete() ? std::expected<void, std::string>() : retire_loaded();
}

std::expected<void, std::string> Engine::retire_loaded() {
    if (auto retired = catalog_->retire_snapshots(); !retired) {
        return std::unexpected(std::move(retired.error().what));
    }
    return {};
}

std::expected<void, std::string> Engine::load_or_prepare() {
    using config::SnapshotLoading;
    if (config_.snapshot_loading == SnapshotLoading::Wait) return loader_->load_first();
    return loader_->prepare(config_.snapshot_loading == SnapshotLoading::Serve);
}

void Engine::start_loading() {
    loader_->start([this](const LoadStatus& status) { loaded(status); });
}

/// The snapshot of the start is in the shards, or cannot be.
void Engine::loaded(const LoadStatus& status) {
    if (status.state == LoadStatus::State::Failed) failure_ = status.reason;
    const bool retire =
        status.state == LoadStatus::State::Loaded && catalog_ && !config_.memory_file.empty();
    if (retire) {
        if (auto retired = retire_loaded(); !retired) failure_ = std::move(retired.error());
    }
    // Nothing less than what was saved: as with a start that finds out before it serves.
    if (!failure_.empty()) return request_stop_(false);
    snapshots_->start_schedule();
}

std::string Engine::obstacle_to_save() const {
    return loader_->incomplete() ? "the snapshot of the start is still being loaded" : "";
}

std::vector<std::pair<std::string, std::string>> Engine::facts() const {
    return {{"version", SHARDMILL_VERSION},
            {"memory_limit", std::to_string(config_.memory_limit)},
            {"item_bytes_max", std::to_string(config_.item_bytes_max)},
            {"reactors", std::to_string(config_.reactors)}};
}

void Engine::connect(Connections connections) {
    SHARDMILL_ASSERT(results_ != nullptr && !scans_);
    control_ = connections.control;
    request_stop_ = std::move(connections.request_stop);
    close_clients_ = std::move(connections.close_clients);
    statistics_->set_connections(std::move(connections.counters), connections.listening);
    statistics_->set_turn_lengths(std::move(connections.turn_lengths));
    workers_ = std::make_unique<runtime::WorkerPool>(runtime::WorkerPoolConfig{
        .threads = workers_count_, .name = "worker", .idle_priority = true});
    scans_ = std::make_unique<ScanDriver>(ScanParts{
        .shards = &shards_,
        .reactors = connections.reactors,
        .control = connections.control,
        .workers = workers_.get(),
        .lanes = workers_count_,
        .make_workers = [this](std::uint32_t percent) { return make_job_workers(percent); }});
    connect_jobs(connections);
    connect_snapshots(connections);
    connection_commands_ =
        std::make_unique<ConnectionCommands>(*connections.server, *connections.replier);
    if (sasl_) {
        sasl_commands_ =
            std::make_unique<SaslCommands>(*sasl_, *connections.replier, counters_.back());
    }
    log_shared_.replier = connections.replier;
    std::vector<EventLog*> logs;
    for (EventLog& log : logs_) logs.push_back(&log);
    watchers_.connect(connections.reactors, std::move(logs));
    connect_crawler(connections);
    control_service_.connect({.control = connections.control,
                              .jobs = jobs_.get(),
                              .batch = batch_commands_.get(),
                              .job_keys = job_keys_.get(),
                              .snapshot = snapshot_commands_.get(),
                              .connections = connection_commands_.get(),
                              .statistics = statistics_.get(),
                              .replier = connections.replier,
                              .sasl = sasl_commands_.get(),
                              .crawler = crawler_commands_.get(),
                              .loader = loader_.get()});
}

void Engine::connect_jobs(const Connections& connections) {
    jobs_ = std::make_unique<JobManager>(
        JobParts{.control = connections.control,
                 .scans = scans_.get(),
                 .registry = &registry_,
                 .results = results_.get(),
                 .journal = journal_.get(),
                 .shards = shards_.size(),
                 .lanes = workers_count_,
                 .replace_workers = [this](std::uint32_t workers) { replace_workers(workers); },
                 .changes = {.shards = &shards_,
                             .reactors = connections.reactors,
                             .started_at = started_at_},
                 .access = {.shards = &shards_},
                 .limits = {.memory_bytes = config_.job_memory},
                 .history = config_.job_history,
                 .results_memory = config_.job_memory});
    batch_commands_ =
        std::make_unique<BatchCommands>(*jobs_, *results_, registry_, *connections.replier);
    connect_job_keys(connections);
}

void Engine::connect_snapshots(const Connections& connections) {
    loader_->connect(*connections.control, connections.reactors);
    snapshots_ = std::make_unique<SnapshotManager>(
        SnapshotManager::Parts{.scans = scans_.get(),
                               .shards = &shards_,
                               .control = connections.control,
                               .workers = workers_.get(),
                               .catalog = catalog_.get(),
                               .facts = facts(),
                               .settings = snapshot_settings(config_),
                               .obstacle = [this] { return obstacle_to_save(); }});
    snapshot_commands_ =
        std::make_unique<SnapshotCommands>(*snapshots_, *loader_, *connections.replier);
}

void Engine::connect_crawler(const Connections& connections) {
    crawler_commands_ = std::make_unique<CrawlerCommands>(
        CrawlerParts{.control = connections.control,
                     .scans = scans_.get(),
                     .shards = &shards_,
                     .reactors = connections.reactors,
                     .replier = connections.replier,
                     .counters = &server_counters_,
                     .note = [this](std::string text) { watchers_.note(std::move(text)); },
                     .limits = {.item_bytes_max = config_.item_bytes_max,
                                .started_at = started_at_,
                                .cas_enabled = config_.cas_enabled}});
}

void Engine::connect_job_keys(const Connections& connections) {
    // A page of rows passes as an item; what an item takes besides its value is less than this.
    constexpr std::uint64_t kItemHead = 512;
    CommandReplay::Parts parts{
        .reactors = connections.reactors,
        .executors = {},
        .replier = connections.replier,
        .gate = &scans_->gate(),
        .config = executor_config(0),
        .hidden = {.shards = &shards_, .statistics = statistics_.get(), .settings = &settings_}};
    for (RequestExecutor& executor : executors_) parts.executors.push_back(&executor);
    replay_ = std::make_unique<CommandReplay>(std::move(parts));
    const std::uint64_t page = std::min<std::uint64_t>(config_.item_bytes_max, 1u << 20);
    job_keys_ = std::make_unique<JobKeys>(
        JobKeys::Parts{.jobs = jobs_.get(),
                       .results = results_.get(),
                       .replay = replay_.get(),
                       .replier = connections.replier,
                       .loader = loader_.get(),
                       .value_bytes_max = page > kItemHead ? page - kItemHead : page});
}

/// Threads for a job with cpu=<percent>: where a reactor wants the whole core, their weight leaves
/// them about that much of it, up to half; the job's own pace sees to the rest.
std::unique_ptr<runtime::TaskQueue> Engine::make_job_workers(std::uint32_t percent) const {
    constexpr double kStep = 1.25;  // of weight, from one nice level to the next
    constexpr double kLowest = 19;
    const double others = (100.0 - percent) / percent;
    const double nice = std::clamp(std::log(others) / std::log(kStep), 0.0, kLowest);
    return std::make_unique<runtime::WorkerPool>(
        runtime::WorkerPoolConfig{.threads = workers_count_,
                                  .name = "job",
                                  .idle_priority = false,
                                  .nice = static_cast<int>(std::lround(nice))});
}

void Engine::replace_workers(std::uint32_t workers) {
    try {
        workers_->add_threads(workers);
    } catch (const std::system_error& error) {
        base::log_error("no threads in place of {} workers: {}", workers, error.what());
    }
}

void Engine::shut_down(bool graceful, runtime::Task stopped) {
    stopped_ = std::move(stopped);
    jobs_->shut_down();
    snapshots_->shut_down();
    const bool wanted = config_.snapshot_on_exit || (graceful && !config_.memory_file.empty());
    // What is not there completely must not take the place of what is.
    const bool save = wanted && !loader_->incomplete();
    loader_->shut_down([this, save] { shut_down_scans(save); });
}

void Engine::shut_down_scans(bool save) {
    scans_->cancel_all();
    scans_->when_idle([this, save] {
        if (!save) return std::exchange(stopped_, {})();
        wait_for_clients_to_go();
    });
}

void Engine::wait_for_clients_to_go() {
    constexpr std::chrono::milliseconds kPoll(2);
    if (close_clients_()) return save_last();
    control_->post_after(kPoll, [this] { wait_for_clients_to_go(); });
}

void Engine::save_last() {
    const auto stop = [this] { scans_->when_idle([this] { std::exchange(stopped_, {})(); }); };
    const auto saving = snapshots_->save_last([this, stop](const SnapshotStatus& status) {
        if (status.state != SnapshotStatus::State::Committed) {
            failure_ = fmt::format("no snapshot at exit: {}", status.reason);
        }
        stop();
    });
    if (saving) return;
    failure_ = fmt::format("no snapshot at exit: {}", saving.error().what);
    stop();
}

}  // namespace shardmill::engine
