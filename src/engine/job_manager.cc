#include "engine/job_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/number.h"
#include "engine/job_entry.h"

namespace shardmill::engine {
namespace {

bool same_connection(const net::ConnectionId& a, const net::ConnectionId& b) {
    return a.reactor == b.reactor && a.slot == b.slot && a.generation == b.generation;
}

}  // namespace

JobManager::JobManager(JobParts parts)
    : parts_(std::move(parts)), id_prefix_(fmt::format("{:x}-", parts_.clock())) {
    load_history();
    write_journal();
    bound_history();
}

JobManager::~JobManager() = default;

void JobManager::load_history() {
    std::vector<JobStatus> history = parts_.results->load_history();
    for (JobStatus& job : parts_.journal->load()) {
        const auto kept = std::ranges::find(history, job.id, &JobStatus::id);
        if (kept == history.end()) {
            history.push_back(std::move(job));
        } else if (job.state != JobState::Lost) {
            // Its result was there, but clients have been told otherwise: that stays so.
            if (auto removed = parts_.results->remove(*kept); !removed) {
                base::log_error("job {}: {}", job.id, removed.error());
            }
            *kept = std::move(job);
        }  // else a crash has come between the result and the journal
    }
    std::ranges::stable_sort(history, {}, &JobStatus::created);
    for (JobStatus& status : history) {
        // The clock may have stood here before.
        if (status.id.starts_with(id_prefix_)) {
            const auto number = base::parse_number<std::uint64_t>(
                std::string_view(status.id).substr(id_prefix_.size()));
            last_number_ = std::max(last_number_, number.value_or(0));
        }
        auto job = std::make_unique<Job>();
        job->order = ++last_order_;
        job->status = std::move(status);
        const auto [entry, added] = jobs_.emplace(job->status.id, std::move(job));
        if (added) keep_for(*entry->second);
    }
}

std::string JobManager::next_id() { return fmt::format("{}{}", id_prefix_, ++last_number_); }

void JobManager::queue(Job& job) {
    base::log_verbose(1, "job {}: {}{}{}", job.status.id, job.status.pipeline,
                      job.status.settings.empty() ? "" : " ", job.status.settings);
    write_journal();
    // Behind the reply: it says `queued`.
    parts_.control->post([this] { start_next(); });
}

void JobManager::start_next() {
    const auto running = static_cast<std::size_t>(std::ranges::count_if(jobs_, [](const auto& e) {
        return e.second->status.state == JobState::Running && !e.second->sample;
    }));
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
    ScanOptions options = job.plan.scan;
    job.scan = std::make_shared<JobScan>(
        std::move(job.plan),
        JobScanParts{
            .control = parts_.control, .results = parts_.results, .changes = parts_.changes},
        [this, id](const ScanOutcome& outcome) { scan_done(id, outcome); });
    job.handle.emplace(parts_.scans->start(job.scan, std::move(options)));
    job.scan->regulate(job.handle->remote());
    if (!job.deadline) return;
    job.deadline_timer = parts_.control->post_after(*job.deadline, [this, id] {
        Job* late = find_job(id);
        if (late == nullptr || late->status.state != JobState::Running) return;
        late->deadline_timer = 0;
        late->stop_reason = fmt::format("deadline={} was reached", late->deadline->count());
        stop(id);
    });
}

void JobManager::start_sample(Job& job) {
    job.status.state = JobState::Running;
    const std::string id = job.status.id;
    const JobPlan& plan = job.plan;
    job.sample = std::make_shared<JobSample>(
        plan.program, plan.limits, plan.access, plan.pace,
        [this, id](const ScanOutcome& outcome) { sample_done(id, outcome); });
    ScanOptions options = plan.scan;
    options.live = false;
    options.percent = 0;
    options.sample = JobSample::kSegments;
    job.handle.emplace(parts_.scans->start(job.sample, std::move(options)));
}

void JobManager::sample_done(const std::string& id, const ScanOutcome& outcome) {
    if (has_left(id)) return;
    Job* job = find_job(id);
    SHARDMILL_ASSERT(job != nullptr && job->sample);
    JobState state = JobState::Planned;
    if (outcome.status == ScanOutcome::Status::Completed) {
        const ScanProgress progress = job->handle->progress();
        job->status.predicted = job->sample->predict(progress, parts_.lanes);
    } else {
        state = job->stopping ? JobState::Stopped : JobState::Failed;
    }
    job->sample.reset();
    job->handle.reset();
    finish(*job, state, state == JobState::Failed ? outcome.reason : "");
}

void JobManager::scan_done(const std::string& id, const ScanOutcome& outcome) {
    if (has_left(id)) return;
    Job* job = find_job(id);
    SHARDMILL_ASSERT(job != nullptr && job->scan);
    job->status = status_of(*job);
    JobState state = JobState::Failed;
    std::string reason = outcome.reason;
    if (job->scan->kept()) {
        state = JobState::Done;
        reason.clear();
    } else if (outcome.status == ScanOutcome::Status::Completed) {
        job->rows = std::make_shared<const ItemChanges::Rows>(
            ItemChanges::Rows{.rows = job->scan->take_rows(),
                              .prefix = job->scan->plan().to_prefix,
                              .exptime = deadline_of_rows(job->status)});
        job->delivery = std::make_shared<ItemChanges>(parts_.changes, compute::Action{});
    } else if (outcome.status == ScanOutcome::Status::Stopped) {
        state = job->stop_reason.empty() ? JobState::Stopped : JobState::Failed;
        reason = job->stop_reason;
    }
    job->scan.reset();
    job->handle.reset();
    if (job->delivery) return deliver(id);
    finish(*job, state, std::move(reason));
}

/// A job that was stopped is over, whether or not its workers have come back from it.
void JobManager::leave(const std::string& id) {
    Job* job = find_job(id);
    if (job == nullptr || !job->handle) return;
    job->leave_timer = 0;
    job->status = status_of(*job);
    job->status.stuck_ms = 0;  // from now on the scan is asked for it
    auto leaving = std::make_unique<Leaving>(Leaving{
        .status = job->status, .scan = std::move(job->scan), .handle = std::move(*job->handle)});
    job->scan.reset();
    job->sample.reset();
    job->handle.reset();
    leaving->timer =
        parts_.control->post_after(Leaving::kWorkerPatience, [this, id] { give_up_workers(id); });
    leaving_.emplace(id, std::move(leaving));
    finish(*job, job->stop_reason.empty() ? JobState::Stopped : JobState::Failed, job->stop_reason);
}

void JobManager::give_up_workers(const std::string& id) {
    Leaving& leaving = *leaving_.at(id);
    leaving.timer = 0;
    leaving.given_up = true;
    const std::uint32_t workers = leaving.handle.progress().busy_workers;
    base::log_error(
        "job {}: {} workers have not come back from {} since it was stopped; "
        "others take their place",
        id, workers, leaving.status.pipeline);
    leaving.handle.abandon();
    if (parts_.replace_workers) parts_.replace_workers(workers);
}

/// True: the job was over before its scan, which now is too.
bool JobManager::has_left(const std::string& id) {
    const auto found = leaving_.find(id);
    if (found == leaving_.end()) return false;
    const Leaving& leaving = *found->second;
    parts_.control->cancel(leaving.timer);
    if (leaving.given_up) base::log_error("job {}: its workers have come back", id);
    if (leaving.scan && leaving.scan->kept()) {
        if (auto removed = parts_.results->remove(leaving.status); !removed) {
            base::log_error("job {}: {}", id, removed.error());
        }
    }
    leaving_.erase(found);
    return true;
}

/// Rows become items: one batch after the other, each on some reactor.
void JobManager::deliver(const std::string& id) {
    Job* job = find_job(id);
    if (job == nullptr || !job->delivery) return;
    if (job->stopping || job->rows_put == job->rows->rows.size()) return delivered(*job);
    job->delivery->put(job->rows, job->rows_put, [this, id](std::size_t taken) {
        parts_.control->post([this, id, taken] {
            if (Job* putting = find_job(id)) putting->rows_put += taken;
            deliver(id);
        });
    });
}

void JobManager::delivered(Job& job) {
    const ChangeCounts counts = std::exchange(job.delivery, nullptr)->counts();
    const std::size_t rows = std::exchange(job.rows, nullptr)->rows.size();
    job.status.figures.acted = counts.acted;
    job.status.figures.refused = counts.refused;
    if (job.stopping) {
        const JobState state = job.stop_reason.empty() ? JobState::Stopped : JobState::Failed;
        return finish(job, state, job.stop_reason);
    }
    if (counts.refused != 0) {
        return finish(job, JobState::Failed,
                      fmt::format("{} of {} rows could not be stored as items: no memory, or a key "
                                  "over 250 bytes or a value over 1 MiB",
                                  counts.refused, rows));
    }
    job.status.ended = parts_.clock();
    job.status.state = JobState::Done;
    auto saved = parts_.results->save(job.status, {});
    finish(job, saved ? JobState::Done : JobState::Failed, saved ? "" : saved.error());
}

void JobManager::finish(Job& job, JobState state, std::string reason) {
    parts_.control->cancel(std::exchange(job.deadline_timer, 0));
    parts_.control->cancel(std::exchange(job.leave_timer, 0));
    job.status.state = state;
    job.status.reason = std::move(reason);
    job.status.ended = parts_.clock();
    job.attached.reset();
    job.stopping = false;
    if (state == JobState::Done) job.status.percent = 100;
    base::log_verbose(1, "job {}: {}{}{}", job.status.id, job_state_name(state),
                      job.status.reason.empty() ? "" : ": ", job.status.reason);
    write_journal();
    keep_for(job);
    notify(job);  // and somebody may drop it
    bound_history();
    start_next();
}

/// Of rows that become items: they live as long as the result would.
base::UnixSeconds JobManager::deadline_of_rows(const JobStatus& status) const {
    return status.ttl == 0 ? 0 : parts_.clock() + static_cast<base::UnixSeconds>(status.ttl);
}

/// Forgets the job when its ttl is over.
void JobManager::keep_for(const Job& job) {
    if (job.status.ttl == 0) return;
    const std::uint64_t until = job.status.ended + job.status.ttl;
    const std::uint64_t now = parts_.clock();
    const std::chrono::seconds left(until > now ? until - now : 0);
    parts_.control->post_after(left, [this, id = job.status.id] {
        const Job* old = find_job(id);
        if (old == nullptr || !is_final(old->status.state)) return;
        if (old->status.ended + old->status.ttl > parts_.clock()) return keep_for(*old);
        if (auto dropped = drop(id); !dropped) base::log_error("job {}: {}", id, dropped.error());
    });
}

/// Those that no result on disk tells of.
void JobManager::write_journal() {
    if (!parts_.journal->on_disk()) return;
    std::vector<const Job*> jobs;
    for (const auto& [id, job] : jobs_) {
        const JobState state = job->status.state;
        const bool told = state == JobState::Done || state == JobState::Planned || job->sample;
        if (!told) jobs.push_back(job.get());
    }
    std::ranges::sort(jobs, {}, &Job::order);
    std::vector<JobStatus> statuses;
    for (const Job* job : jobs) statuses.push_back(job->status);
    parts_.journal->write(statuses);
}

void JobManager::notify(Job& job) {
    const JobStatus status = status_of(job);  // the first one told may drop the job
    for (Waiting& waiting : std::exchange(job.waiting, {})) {
        parts_.control->cancel(waiting.timer);
        waiting.on_final(status);
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
        // A result that was given a name is kept until somebody drops it.
        if (!job->status.result.empty() && job->status.state == JobState::Done) continue;
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
    if (job.scan) {
        status.figures = job.scan->figures();
        status.measured = job.scan->cost();
        status.stuck_ms = job.scan->stuck_ms();
    }
    if (const auto left = leaving_.find(status.id); left != leaving_.end() && left->second->scan) {
        status.stuck_ms = left->second->scan->stuck_ms();
    }
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
        on_final(status_of(*job));
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
    std::vector<std::string> orphans;
    for (const auto& [id, job] : jobs_) {
        if (job->attached && same_connection(*job->attached, connection)) orphans.push_back(id);
        std::erase_if(job->waiting, [this, &connection](const Waiting& waiting) {
            if (!same_connection(waiting.connection, connection)) return false;
            parts_.control->cancel(waiting.timer);
            return true;
        });
    }
    for (const std::string& id : orphans) stop(id);
}

void JobManager::stop(const std::string& id) {
    Job* job = find_job(id);
    if (job == nullptr || is_final(job->status.state)) return;
    if (job->status.state == JobState::Queued) {
        finish(*job, JobState::Stopped, {});
        return;
    }
    if (std::exchange(job->stopping, true) || !job->handle) return;
    job->handle->cancel();
    job->leave_timer =
        parts_.control->post_after(Leaving::kStopPatience, [this, id] { leave(id); });
}

std::expected<void, std::string> JobManager::drop(const std::string& id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return {};
    Job& job = *found->second;
    if (!is_final(job.status.state)) {
        return std::unexpected("the job has not ended; stop it first");
    }
    if (job.status.state == JobState::Done) {
        if (auto removed = parts_.results->remove(job.status); !removed) return removed;
    }
    const bool told = job.status.state == JobState::Planned;
    jobs_.erase(found);
    if (!told) write_journal();
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
