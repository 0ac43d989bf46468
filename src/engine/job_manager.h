#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "compute/registry.h"
#include "engine/batch_parser.h"
#include "engine/control_queue.h"
#include "engine/item_changes.h"
#include "engine/job.h"
#include "engine/job_journal.h"
#include "engine/job_results.h"
#include "engine/job_scan.h"
#include "engine/scan_driver.h"
#include "net/executor.h"

namespace shardmill::engine {

/// What jobs work with. Everything pointed to outlives the manager.
struct JobParts {
    ControlQueue* control = nullptr;
    ScanDriver* scans = nullptr;
    const compute::Registry* registry = nullptr;
    JobResults* results = nullptr;
    JobJournal* journal = nullptr;
    std::uint32_t shards = 1;
    std::uint32_t lanes = 1;  // of a job at most
    /// More workers, for so many that do not come back from a job.
    std::function<void(std::uint32_t workers)> replace_workers;
    ChangeParts changes;
    compute::AccessSource access;
    compute::JobLimits limits;                  // unless the job says otherwise
    std::uint32_t history = 100;                // finished jobs that are remembered
    std::uint64_t results_memory = 256u << 20;  // bytes of results kept where there is no directory
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
};

/// Why a job was not taken.
struct JobRefusal {
    enum class Kind : std::uint8_t {
        BadPipeline,  // CLIENT_ERROR
        NameTaken,    // a live job has the name, and does something else
        Busy,         // too many are waiting
    };
    Kind kind = Kind::BadPipeline;
    std::string what;
};

/// Jobs from `batch run` and `batch plan` to their oblivion. Control thread only.
class JobManager {
 public:
    static constexpr std::size_t kMaxRunning = 4;
    static constexpr std::size_t kMaxQueued = 256;

    /// Reads the results of earlier runs of the server.
    explicit JobManager(JobParts parts);
    ~JobManager();
    JobManager(const JobManager&) = delete;
    JobManager& operator=(const JobManager&) = delete;

    /// Takes a job and returns its id. It starts as soon as there is room. A job of that name that
    /// does the same and waits, runs or is done is the one that is meant; so is a plan whose id is
    /// given for the pipeline. `connection`: whose end is the job's, where it is attached.
    using Accepted = std::expected<std::string, JobRefusal>;
    Accepted run(const BatchCommand& command, std::optional<net::ConnectionId> connection = {});
    /// The same for a plan: it is in a final state (Planned, Failed) when its sample has been
    /// taken.
    Accepted plan(const BatchCommand& command);

    /// By id, or by name (the youngest of that name).
    std::optional<JobStatus> find(std::string_view id_or_name) const;
    /// Youngest first.
    std::vector<JobStatus> list() const;

    /// Calls `on_final` once: as soon as the job is in a final state, or after `timeout`, with its
    /// status at that time. At once if it is final already. The job exists.
    using Waiter = std::function<void(const JobStatus&)>;
    void wait(const std::string& id, net::ConnectionId connection,
              std::optional<std::chrono::milliseconds> timeout, Waiter on_final);
    /// Its waiters are destroyed without being called, and jobs attached to it are stopped.
    void forget(net::ConnectionId connection);

    /// Ends a job that has not ended yet.
    void stop(const std::string& id);
    /// Forgets a finished job and its rows. Unexpected: the reason; it is still there.
    std::expected<void, std::string> drop(const std::string& id);

    /// No more jobs; those that have not ended are stopped.
    void shut_down();

 private:
    struct Job;
    struct Waiting;
    struct Leaving;

    void load_history();
    Accepted accept(const BatchCommand& command);
    /// A new job's, with its id.
    JobStatus begin_status(const BatchCommand& command);
    JobPlan plan_of(const BatchCommand& command, const JobStatus& status,
                    std::shared_ptr<const compute::Program> program) const;
    Accepted run_planned(Job& job, const BatchCommand& command);
    std::optional<JobRefusal> refusal(const BatchCommand& command,
                                      const compute::Program& program) const;
    Job* find_job(std::string_view id_or_name) const;
    JobStatus status_of(const Job& job) const;
    std::string next_id();
    void queue(Job& job);
    void start_next();
    void start(Job& job);
    void start_sample(Job& job);
    void scan_done(const std::string& id, const ScanOutcome& outcome);
    void sample_done(const std::string& id, const ScanOutcome& outcome);
    void leave(const std::string& id);
    void give_up_workers(const std::string& id);
    bool has_left(const std::string& id);
    void deliver(const std::string& id);
    void delivered(Job& job);
    void finish(Job& job, JobState state, std::string reason);
    void notify(Job& job);
    base::UnixSeconds deadline_of_rows(const JobStatus& status) const;
    void keep_for(const Job& job);
    void bound_history();
    void write_journal();

    const JobParts parts_;
    const std::string id_prefix_;
    std::uint64_t last_number_ = 0;
    std::uint64_t last_order_ = 0;
    std::map<std::string, std::unique_ptr<Job>, std::less<>> jobs_;
    std::map<std::string, std::unique_ptr<Leaving>, std::less<>> leaving_;
    bool shut_down_ = false;
};

}  // namespace shardmill::engine
