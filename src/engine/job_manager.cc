#include "engine/job_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/number.h"

namespace shardmill::engine {
namespace {

bool same_connection(const net::ConnectionId& a, const net::ConnectionId& b) {
    return a.reactor == b.reactor && a.slot == b.slot && a.generation == b.generation;
}

}  // namespace

struct JobManager::Waiting {
    net::ConnectionId connection;
    ControlQueue::TimerId timer = 0;
    Waiter on_final;
};

/// A job's place in memory is fixed: timers and waiters are found through its id all the same,
/// because it may be dropped before they fire.
struct JobManager::Job {
    JobStatus status;
    std::uint64_t order = 0;  // of taking: the queue's order, and the list's
    JobPlan plan;             // until it is started
    std::optional<std::chrono::milliseconds> deadline;
    ControlQueue::TimerId deadline_timer = 0;
    std::shared_ptr<JobScan> scan;  // while running
    std::optional<ScanDriver::Handle> handle;
    std::string stop_reason;  // empty: it was asked to stop, or was not stopped
    std::vector<Waiting> waiting;
};

JobManager::JobManager(JobParts parts)
    : parts_(std::move(parts)), id_prefix_(fmt::format("{:x}-", parts_.clock())) {
    for (JobStatus& status : parts_.results->load_history()) {
        // The clock may have stood here before.
        if (status.id.starts_with(id_prefix_)) {
            const auto number = base::parse_number<std::uint64_t>(
                std::string_view(status.id).substr(id_prefix_.size()));
            last_number_ = std::max(last_number_, number.value_or(0));
        }
        auto job = std::make_unique<Job>();
        job->order = ++last_order_;
        job->status = std::move(status);
        std::string id = job->status.id;
        jobs_.emplace(std::move(id), std::move(job));
    }
    bound_history();
}

JobManager::~JobManager() = default;

std::string JobManager::next_id() { return fmt::format("{}{}", id_prefix_, ++last_number_); }

std::expected<std::string, JobRefusal> JobManager::run(const BatchCommand& command) {
    using Kind = JobRefusal::Kind;
    if (shut_down_) return std::unexpected(JobRefusal{Kind::Busy, "the server is stopping"});
    const auto queued = static_cast<std::size_t>(std::ranges::count_if(
        jobs_, [](const auto& entry) { return entry.second->status.state == JobState::Queued; }));
    if (queued >= kMaxQueued) {
        return std::unexpected(JobRefusal{Kind::Busy, fmt::format("{} jobs are waiting", queued)});
    }
    if (!command.name.empty()) {
        const Job* namesake = find_job(command.name);
        if (namesake != nullptr && !is_final(namesake->status.state)) {
            return std::unexpected(JobRefusal{Kind::NameTaken, namesake->status.id});
        }
    }
    auto program = compute::compile(command.argument, *parts_.registry,
                                    {.prefix = command.prefix, .glob = command.glob});
    if (!program) return std::unexpected(JobRefusal{Kind::BadPipeline, program.error().text()});

    auto job = std::make_unique<Job>();
    JobStatus& status = job->status;
    status.id = next_id();
    status.name = command.name;
    status.pipeline = command.argument;
    status.prefix = command.prefix;
    status.glob = command.glob;
    status.created = parts_.clock();
    status.shards = parts_.shards;
    job->order = ++last_order_;
    job->deadline = command.deadline;
    job->plan.status = status;
    job->plan.program = std::move(*program);
    job->plan.limits = parts_.limits;
    job->plan.access = parts_.access;
    if (command.memory) job->plan.limits.memory_bytes = *command.memory;
    if (command.groups) job->plan.limits.groups = *command.groups;
    job->plan.limit = command.limit;
    job->plan.errors = command.errors;
    base::log_verbose(1, "job {}: {}", status.id, status.pipeline);
    std::string id = status.id;
    jobs_.emplace(id, std::move(job));
    // Behind the reply: it says `queued`.
    parts_.control->post([this] { start_next(); });
    return id;
}

void JobManager::start_next() {
    const auto running = static_cast<std::size_t>(std::ranges::count_if(
        jobs_, [](const auto& entry) { return entry.second->status.state == JobState::Running; }));
    if (running >= kMaxRunning || shut_down_) return;
    Job* next = nullptr;
    for (const auto& [id, job] : jobs_) {
        if (job->status.state != JobState::Queued) continue;
        if (next == nullptr || job->order < next->order) next = job.get();
    }
    if (next == nullptr) return;
    start(*next);
    if (running + 1 < kMaxRunning) start_next();
}

void JobManager::start(Job& job) {
    job.status.state = JobState::Running;
    const std::string id = job.status.id;
    job.scan = std::make_shared<JobScan>(
        std::move(job.plan), *parts_.results,
        [this, id](const ScanOutcome& outcome) { scan_done(id, outcome); });
    job.handle.emplace(parts_.scans->start(job.scan));
    if (!job.deadline) return;
    job.deadline_timer = parts_.control->post_after(*job.deadline, [this, id] {
        Job* late = find_job(id);
        if (late == nullptr || late->status.state != JobState::Running) return;
        late->deadline_timer = 0;
        late->stop_reason = fmt::format("deadline={} was reached", late->deadline->count());
        late->handle->cancel();
    });
}

void JobManager::scan_done(const std::string& id, const ScanOutcome& outcome) {
    Job* job = find_job(id);
    SHARDMILL_ASSERT(job != nullptr && job->scan);
    job->status = status_of(*job);
    JobState state = JobState::Failed;
    std::string reason = outcome.reason;
    if (job->scan->kept()) {
        state = JobState::Done;
        reason.clear();
    } else if (outcome.status == ScanOutcome::Status::Stopped) {
        state = job->stop_reason.empty() ? JobState::Stopped : JobState::Failed;
        reason = job->stop_reason;
    }
    job->scan.reset();
    job->handle.reset();
    finish(*job, state, std::move(reason));
}

void JobManager::finish(Job& job, JobState state, std::string reason) {
    parts_.control->cancel(std::exchange(job.deadline_timer, 0));
    job.status.state = state;
    job.status.reason = std::move(reason);
    if (state == JobState::Done) job.status.percent = 100;
    base::log_verbose(1, "job {}: {} {}", job.status.id, job_state_name(state), job.status.reason);
    notify(job);
    bound_history();
    start_next();
}

void JobManager::notify(Job& job) {
    for (Waiting& waiting : std::exchange(job.waiting, {})) {
        parts_.control->cancel(waiting.timer);
        waiting.on_final(job.status);
    }
}

/// The youngest finished jobs stay; the rows of the others go with them.
void JobManager::bound_history() {
    std::vector<const Job*> finished;
    for (const auto& [id, job] : jobs_) {
        if (is_final(job->status.state)) finished.push_back(job.get());
    }
    std::ranges::sort(finished, {}, &Job::order);
    std::size_t excess = finished.size() - std::min<std::size_t>(finished.size(), parts_.history);
    for (const Job* job : finished) {
        // The youngest stays in any case: somebody is about to ask for it.
        const bool too_big = !parts_.results->on_disk() && job != finished.back() &&
                             parts_.results->memory_bytes() > parts_.results_memory;
        if (excess == 0 && !too_big) break;
        if (excess > 0) --excess;
        const std::string id = job->status.id;
        if (auto dropped = drop(id); !dropped) {
            base::log_error("job {} cannot be forgotten: {}", id, dropped.error());
        }
    }
}

JobManager::Job* JobManager::find_job(std::string_view id_or_name) const {
    if (const auto found = jobs_.find(id_or_name); found != jobs_.end()) return found->second.get();
    Job* youngest = nullptr;
    for (const auto& [id, job] : jobs_) {
        if (job->status.name != id_or_name || id_or_name.empty()) continue;
        if (youngest == nullptr || job->order > youngest->order) youngest = job.get();
    }
    return youngest;
}

JobStatus JobManager::status_of(const Job& job) const {
    JobStatus status = job.status;
    if (job.scan) status.figures = job.scan->figures();
    if (job.handle) {
        const ScanProgress progress = job.handle->progress();
        // 100 is for when the result is there.
        status.percent = std::min(progress.percent(), 99u);
        status.shards_done = progress.shards_done;
    }
    return status;
}

std::optional<JobStatus> JobManager::find(std::string_view id_or_name) const {
    const Job* job = find_job(id_or_name);
    if (job == nullptr) return std::nullopt;
    return status_of(*job);
}

std::vector<JobStatus> JobManager::list() const {
    std::vector<const Job*> all;
    for (const auto& [id, job] : jobs_) all.push_back(job.get());
    std::ranges::sort(all, std::greater{}, &Job::order);
    std::vector<JobStatus> list;
    for (const Job* job : all) list.push_back(status_of(*job));
    return list;
}

void JobManager::wait(const std::string& id, net::ConnectionId connection,
                      std::optional<std::chrono::milliseconds> timeout, Waiter on_final) {
    Job* job = find_job(id);
    SHARDMILL_ASSERT(job != nullptr);
    if (is_final(job->status.state)) {
        on_final(job->status);
        return;
    }
    Waiting waiting{.connection = connection, .timer = 0, .on_final = std::move(on_final)};
    if (timeout) {
        waiting.timer = parts_.control->post_after(*timeout, [this, id, connection] {
            Job* waited = find_job(id);
            if (waited == nullptr) return;
            const auto found =
                std::ranges::find_if(waited->waiting, [&connection](const Waiting& w) {
                    return same_connection(w.connection, connection);
                });
            if (found == waited->waiting.end()) return;
            const Waiter late = std::move(found->on_final);
            waited->waiting.erase(found);
            late(status_of(*waited));
        });
    }
    job->waiting.push_back(std::move(waiting));
}

void JobManager::forget(net::ConnectionId connection) {
    for (const auto& [id, job] : jobs_) {
        std::erase_if(job->waiting, [this, &connection](const Waiting& waiting) {
            if (!same_connection(waiting.connection, connection)) return false;
            parts_.control->cancel(waiting.timer);
            return true;
        });
    }
}

void JobManager::stop(const std::string& id) {
    Job* job = find_job(id);
    if (job == nullptr || is_final(job->status.state)) return;
    if (job->status.state == JobState::Queued) {
        finish(*job, JobState::Stopped, {});
        return;
    }
    job->handle->cancel();
}

std::expected<void, std::string> JobManager::drop(const std::string& id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return {};
    Job& job = *found->second;
    if (!is_final(job.status.state)) {
        return std::unexpected("the job has not ended; stop it first");
    }
    if (job.status.state == JobState::Done) {
        if (auto removed = parts_.results->remove(id); !removed) return removed;
    }
    jobs_.erase(found);
    return {};
}

void JobManager::shut_down() {
    shut_down_ = true;
    std::vector<std::string> live;
    for (const auto& [id, job] : jobs_) {
        if (!is_final(job->status.state)) live.push_back(id);
    }
    for (const std::string& id : live) stop(id);
}

}  // namespace shardmill::engine
