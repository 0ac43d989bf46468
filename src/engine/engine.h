#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "compute/registry.h"
#include "config/config.h"
#include "engine/auth_file.h"
#include "engine/batch_commands.h"
#include "engine/command_replay.h"
#include "engine/connection_commands.h"
#include "engine/contents_loader.h"
#include "engine/control_service.h"
#include "engine/counters.h"
#include "engine/crawler_commands.h"
#include "engine/event_log.h"
#include "engine/executor.h"
#include "engine/hot_keys.h"
#include "engine/job_journal.h"
#include "engine/job_keys.h"
#include "engine/job_manager.h"
#include "engine/job_results.h"
#include "engine/prefix_stats.h"
#include "engine/runtime_settings.h"
#include "engine/sasl_commands.h"
#include "engine/sasl_service.h"
#include "engine/scan_driver.h"
#include "engine/snapshot_commands.h"
#include "engine/snapshot_manager.h"
#include "engine/stats.h"
#include "engine/watchers.h"
#include "net/executor.h"
#include "runtime/worker_pool.h"
#include "snapshot/catalog.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// Everything between the sockets and the bytes, put together: shards, executors, statistics,
/// workers, jobs and snapshots. Built, opened and connected on the main thread, in this order,
/// before anything is served:
///
///     Engine engine(config);
///     engine.open();                                        // users, directory, kernels, last
///     snapshot net::Server server(..., engine.executors()); engine.connect({.reactors = ...,
///     .control = ...}); server.start(); control.run();                        // until somebody
///     calls shut_down server.stop();
///
/// The engine outlives server and control queue.
class Engine {
 public:
    /// Throws std::bad_alloc or std::system_error when memory or threads cannot be had.
    explicit Engine(const config::Config& config);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Takes the data directory, loads the kernels and the last committed snapshot. Blocks.
    /// Unexpected: what is wrong and what to do.
    std::expected<void, std::string> open();

    /// One per reactor.
    std::vector<net::Executor*> executors();

    struct Connections {
        std::vector<runtime::TaskQueue*> reactors;
        std::vector<const net::ConnectionCounters*> counters;  // one per reactor
        const net::ListenCounters* listening = nullptr;
        std::vector<const runtime::TurnHistogram*> turn_lengths;  // one per reactor
        net::Replier* replier = nullptr;
        net::ServerControl* server = nullptr;
        ControlQueue* control = nullptr;
        /// The command `shutdown [graceful]`; any thread, must not block.
        std::function<void(bool graceful)> request_stop;
        /// Ends what clients have under way and takes no more of it. Called again until it returns
        /// true: nobody is left. Control thread.
        std::function<bool()> close_clients;
    };
    /// Starts the workers. Once, before the server starts.
    void connect(Connections connections);

    /// Reads the authentication file again (SIGHUP). One that cannot be used is logged, and the old
    /// one stays in force. Blocks; control thread.
    void reload_auth_file();

    /// Loads what `open` has left for now (-o snapshot_loading). Control thread, once, when clients
    /// are served.
    void start_loading();

    /// What has gone wrong since the start and must not go unnoticed at the end; empty: nothing.
    const std::string& failure() const noexcept { return failure_; }

    /// A kernel has not come back to a worker, which can therefore not be joined. Control thread,
    /// after the end.
    bool has_lost_workers() const noexcept { return scans_ && scans_->has_abandoned(); }

    /// Ends jobs and snapshots and runs `stopped` when nothing of them is left on workers and
    /// reactors. Before that a last snapshot is saved, of what the last client has left: with
    /// snapshot_on_exit always, with a memory_file when the stop is graceful. Control thread, once.
    void shut_down(bool graceful, runtime::Task stopped);

 private:
    std::expected<void, std::string> open_authentication();
    std::expected<void, std::string> open_directory();
    std::expected<void, std::string> load_contents();
    std::expected<void, std::string> load_once();
    std::expected<void, std::string> retire_loaded();
    std::expected<void, std::string> load_or_prepare();
    std::string obstacle_to_save() const;
    void loaded(const LoadStatus& status);
    void shut_down_scans(bool save);
    std::vector<std::pair<std::string, std::string>> facts() const;
    void make_executors();
    ExecutorConfig executor_config(std::uint32_t reactor) const;
    void connect_jobs(const Connections& connections);
    void connect_job_keys(const Connections& connections);
    void connect_snapshots(const Connections& connections);
    void connect_crawler(const Connections& connections);
    void wait_for_clients_to_go();
    std::unique_ptr<runtime::TaskQueue> make_job_workers(std::uint32_t percent) const;
    void replace_workers(std::uint32_t workers);
    void save_last();

    const config::Config config_;
    const base::UnixSeconds started_at_;
    const std::uint32_t workers_count_;
    RuntimeSettings settings_;
    PrefixStats prefixes_;
    std::deque<HotSample> hot_;
    store::ShardSet shards_;
    std::deque<Counters> counters_;  // one per reactor, and the control thread's
    ServerCounters server_counters_;
    std::unique_ptr<Statistics> statistics_;
    ControlService control_service_;
    EventLogShared log_shared_;
    std::deque<EventLog> logs_;  // one per reactor
    Watchers watchers_{log_shared_};
    std::deque<RequestExecutor> executors_;
    ControlQueue* control_ = nullptr;
    std::function<void(bool graceful)> request_stop_;
    std::function<bool()> close_clients_;
    std::unique_ptr<AuthFile> auth_file_;  // nullptr: nobody has to log in
    std::unique_ptr<SaslService> sasl_;    // from `open` on; nullptr: the same

    compute::Registry registry_;
    std::unique_ptr<snapshot::Catalog> catalog_;  // nullptr: no directory
    std::unique_ptr<JobResults> results_;
    std::unique_ptr<JobJournal> journal_;
    LoadGate load_gate_;
    std::unique_ptr<ContentsLoader> loader_;
    std::string failure_;

    // From connect on. The workers are the last to be made and the first to go.
    std::unique_ptr<ScanDriver> scans_;
    std::unique_ptr<JobManager> jobs_;
    std::unique_ptr<SnapshotManager> snapshots_;
    std::unique_ptr<BatchCommands> batch_commands_;
    std::unique_ptr<CommandReplay> replay_;
    std::unique_ptr<JobKeys> job_keys_;
    std::unique_ptr<SnapshotCommands> snapshot_commands_;
    std::unique_ptr<SaslCommands> sasl_commands_;
    std::unique_ptr<ConnectionCommands> connection_commands_;
    std::unique_ptr<CrawlerCommands> crawler_commands_;
    std::unique_ptr<runtime::WorkerPool> workers_;
    runtime::Task stopped_;
};

}  // namespace shardmill::engine
