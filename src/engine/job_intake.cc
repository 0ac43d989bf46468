// What is asked of jobs becomes jobs, or is refused.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/job_entry.h"
#include "engine/job_manager.h"

namespace shardmill::engine {

JobManager::Accepted JobManager::run(const BatchCommand& command,
                                     std::optional<net::ConnectionId> connection) {
    Job* planned = find_job(command.argument);
    if (planned != nullptr && planned->status.state == JobState::Planned) {
        return run_planned(*planned, command);
    }
    if (!command.name.empty()) {
        const Job* namesake = find_job(command.name);
        const bool counts = namesake != nullptr && namesake->status.state <= JobState::Done;
        const bool same =
            counts && !namesake->sample && namesake->status.pipeline == command.argument &&
            namesake->status.prefix == command.prefix && namesake->status.glob == command.glob &&
            namesake->status.settings == command.settings;
        if (same) return namesake->status.id;
        if (counts && !is_final(namesake->status.state)) {
            return std::unexpected(JobRefusal{JobRefusal::Kind::NameTaken, namesake->status.id});
        }
    }
    Accepted id = accept(command);
    if (!id) return id;
    Job& job = *jobs_.find(*id)->second;
    if (command.attached) job.attached = connection;
    queue(job);
    return id;
}

JobManager::Accepted JobManager::run_planned(Job& job, const BatchCommand& command) {
    const bool more = !command.settings.empty() || !command.prefix.empty() ||
                      !command.glob.empty() || !command.name.empty() || command.attached;
    if (more) {
        return std::unexpected(JobRefusal{JobRefusal::Kind::BadPipeline,
                                          "a plan is run with the options it was made with"});
    }
    job.status.state = JobState::Queued;
    job.status.created = parts_.clock();
    job.status.ended = 0;
    job.plan.status = job.status;
    queue(job);
    return job.status.id;
}

JobManager::Accepted JobManager::plan(const BatchCommand& command) {
    Accepted id = accept(command);
    if (id) start_sample(*jobs_.find(*id)->second);
    return id;
}

/// What the pipeline and the options ask for and cannot have here.
std::optional<JobRefusal> JobManager::refusal(const BatchCommand& command,
                                              const compute::Program& program) const {
    const auto wrong = [](std::string what) {
        return JobRefusal{JobRefusal::Kind::BadPipeline, std::move(what)};
    };
    const bool acts = program.action().has_value();
    if (command.dry && !acts) {
        return wrong("dry=1 is for the kernels that act: delete, touch and copy");
    }
    if (acts && command.partial != PartialMode::None) {
        return wrong("partial= is not for kernels that act");
    }
    if (command.to == RowTarget::Snapshot) {
        if (!parts_.results->on_disk()) {
            return wrong("to=snapshot: needs a directory; start the server with -o snapshot_dir=");
        }
        for (const auto& [id, job] : jobs_) {
            const bool taken = job->status.result == command.to_text || id == command.to_text;
            if (taken) {
                return wrong(fmt::format("to=snapshot:{} is the result of job {}; drop it first",
                                         command.to_text, id));
            }
        }
    }
    if (!command.shards.empty() && command.shards.back() >= parts_.shards) {
        return wrong(fmt::format("shards={}: there are {}, counted from 0", command.shards.back(),
                                 parts_.shards));
    }
    return std::nullopt;
}

JobManager::Accepted JobManager::accept(const BatchCommand& command) {
    using Kind = JobRefusal::Kind;
    if (shut_down_) return std::unexpected(JobRefusal{Kind::Busy, "the server is stopping"});
    const auto queued = static_cast<std::size_t>(std::ranges::count_if(
        jobs_, [](const auto& entry) { return entry.second->status.state == JobState::Queued; }));
    if (queued >= kMaxQueued) {
        return std::unexpected(JobRefusal{Kind::Busy, fmt::format("{} jobs are waiting", queued)});
    }
    auto program = compute::compile(command.argument, *parts_.registry,
                                    {.prefix = command.prefix, .glob = command.glob});
    if (!program) return std::unexpected(JobRefusal{Kind::BadPipeline, program.error().text()});
    if (auto refused = refusal(command, **program)) return std::unexpected(std::move(*refused));

    auto job = std::make_unique<Job>();
    job->status = begin_status(command);
    job->order = ++last_order_;
    job->deadline = command.deadline;
    job->plan = plan_of(command, job->status, std::move(*program));
    std::string id = job->status.id;
    jobs_.emplace(id, std::move(job));
    return id;
}

JobStatus JobManager::begin_status(const BatchCommand& command) {
    JobStatus status;
    status.id = next_id();
    status.name = command.name;
    status.pipeline = command.argument;
    status.prefix = command.prefix;
    status.glob = command.glob;
    status.settings = command.settings;
    if (command.to == RowTarget::Snapshot) status.result = command.to_text;
    status.created = parts_.clock();
    status.ttl = command.ttl;
    status.shards =
        command.shards.empty() ? parts_.shards : static_cast<std::uint32_t>(command.shards.size());
    return status;
}

JobPlan JobManager::plan_of(const BatchCommand& command, const JobStatus& status,
                            std::shared_ptr<const compute::Program> program) const {
    JobPlan plan;
    plan.status = status;
    plan.program = std::move(program);
    plan.limits = parts_.limits;
    plan.access = parts_.access;
    plan.scan = {.shards = command.shards,
                 .live = command.live,
                 .sample = 0,
                 .percent = command.cpu_percent};
    plan.pace = {.items_per_s = command.rate_items,
                 .bytes_per_s = command.rate_bytes,
                 .cpu_percent = command.cpu_percent};
    if (command.memory) plan.limits.memory_bytes = *command.memory;
    if (command.groups) plan.limits.groups = *command.groups;
    plan.limit = command.limit;
    plan.errors = command.errors;
    plan.to = command.to;
    plan.to_prefix = command.to_text;
    plan.partial = command.partial;
    plan.partial_prefix = command.partial_prefix;
    plan.dry = command.dry;
    return plan;
}

}  // namespace shardmill::engine
