#include "engine/batch_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "engine/control_replies.h"
#include "engine/json_text.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

constexpr std::uint64_t kStuckMs = 1000;  // from there on it is worth telling

/// `HD <id> state=... ...`. The reason is last and goes to the end of the line.
std::string status_line(const JobStatus& status) {
    const JobFigures& f = status.figures;
    std::string text = fmt::format(
        "{} state={} percent={} scanned={} matched={} failed={} bytes={} ms={} shards={}/{} "
        "rows={} "
        "result_bytes={} cpu_ms={} peak_bytes={}",
        status.id, job_state_name(status.state), status.percent, f.scanned, f.matched, f.failed,
        f.bytes, f.ms, status.shards_done, status.shards, f.rows, f.result_bytes, f.cpu_ms,
        f.peak_bytes);
    const auto out = std::back_inserter(text);
    if (f.acted + f.gone + f.changed + f.refused != 0) {
        fmt::format_to(out, " acted={} gone={} changed={} refused={}", f.acted, f.gone, f.changed,
                       f.refused);
    }
    if (status.predicted)
        fmt::format_to(out, " predicted_ms={:.0f}", status.predicted->in_place_ms);
    if (const auto& cost = status.measured) {
        fmt::format_to(out, " ship_out_ms={:.0f} not_moved={}", cost->ship_out_ms, cost->not_moved);
    }
    if (status.stuck_ms >= kStuckMs) fmt::format_to(out, " stuck_ms={}", status.stuck_ms);
    if (!status.name.empty()) text += " name=" + status.name;
    if (!status.reason.empty()) text += " reason=" + status.reason;
    return reply_line("HD", text);
}

void add_cost(JsonObject& json, std::string_view when, const JobCost& cost) {
    const auto name = [when](const char* term) { return fmt::format("{}_{}", when, term); };
    json.add(name("items"), cost.items);
    json.add(name("bytes"), cost.bytes);
    json.add(name("workers"), cost.workers);
    json.add(name("item_ns"), cost.item_ns);
    json.add(name("transfer_ns_per_byte"), cost.transfer_ns);
    json.add(name("in_place_ms"), cost.in_place_ms);
    json.add(name("ship_out_ms"), cost.ship_out_ms);
    json.add(name("bytes_not_moved"), cost.not_moved);
}

/// What `batch plan` answers: the cost model, predicted and measured.
std::string cost_row(const JobStatus& status) {
    JsonObject json;
    json.add("state", job_state_name(status.state));
    json.add("pipeline", status.pipeline);
    if (status.predicted) add_cost(json, "predicted", *status.predicted);
    if (status.measured) add_cost(json, "measured", *status.measured);
    std::string reply;
    protocol::append_batch_row(reply, status.id, std::move(json).take());
    protocol::append_batch_end(reply, std::nullopt);
    return reply;
}

}  // namespace

std::string status_json(const JobStatus& status) {
    JsonObject json;
    json.add("state", job_state_name(status.state));
    if (!status.name.empty()) json.add("name", status.name);
    json.add("pipeline", status.pipeline);
    if (!status.prefix.empty()) json.add("prefix", status.prefix);
    if (!status.glob.empty()) json.add("glob", status.glob);
    if (!status.settings.empty()) json.add("settings", status.settings);
    json.add("created", status.created);
    json.add("percent", status.percent);
    json.add("scanned", status.figures.scanned);
    json.add("matched", status.figures.matched);
    json.add("failed", status.figures.failed);
    json.add("bytes", status.figures.bytes);
    json.add("ms", status.figures.ms);
    json.add("rows", status.figures.rows);
    json.add("result_bytes", status.figures.result_bytes);
    if (status.stuck_ms >= kStuckMs) json.add("stuck_ms", status.stuck_ms);
    if (!status.reason.empty()) json.add("reason", status.reason);
    return std::move(json).take();
}

void BatchCommands::execute(std::string_view arguments, std::string_view payload,
                            net::ConnectionId connection) {
    static constexpr std::array<Handler, 9> kHandlers = {
        &BatchCommands::run,  &BatchCommands::plan, &BatchCommands::stat,
        &BatchCommands::wait, &BatchCommands::get,  &BatchCommands::stop,
        &BatchCommands::drop, &BatchCommands::list, &BatchCommands::kernels,
    };
    const auto command = parse_batch(arguments, payload);
    Reply reply =
        command ? (this->*kHandlers[static_cast<std::size_t>(command->verb)])(*command, connection)
                : client_error(command.error());
    if (!reply.empty()) replier_.reply(connection, std::move(reply));
}

std::string BatchCommands::refused(const JobRefusal& refusal) {
    switch (refusal.kind) {
        case JobRefusal::Kind::BadPipeline:
            return client_error(refusal.what);
        case JobRefusal::Kind::NameTaken:
            return reply_line("EX", refusal.what);
        case JobRefusal::Kind::Busy:
            break;
    }
    return reply_line("NS", refusal.what);
}

BatchCommands::Reply BatchCommands::run(const BatchCommand& command, net::ConnectionId connection) {
    const auto id = jobs_.run(command, connection);
    if (!id) return refused(id.error());
    if (!command.wait) {
        const JobState state = jobs_.find(*id)->state;
        return reply_line("HD", fmt::format("{} state={}", *id, job_state_name(state)));
    }
    answer_when_final(*id, connection, command.wait, &status_line);
    return {};
}

/// Of a job that is known: its terms as they are. Of a pipeline: a sample is taken first.
BatchCommands::Reply BatchCommands::plan(const BatchCommand& command,
                                         net::ConnectionId connection) {
    std::string id;
    if (const auto known = jobs_.find(command.argument)) {
        if (is_final(known->state) || known->predicted) return cost_row(*known);
        id = known->id;
    } else {
        const auto planned = jobs_.plan(command);
        if (!planned) return refused(planned.error());
        id = *planned;
    }
    answer_when_final(id, connection, std::nullopt, [](const JobStatus& status) {
        if (status.state != JobState::Failed) return cost_row(status);
        return server_error("the plan failed: " + status.reason);
    });
    return {};
}

BatchCommands::Reply BatchCommands::stat(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    return status ? status_line(*status) : reply_line("NF");
}

BatchCommands::Reply BatchCommands::wait(const BatchCommand& command,
                                         net::ConnectionId connection) {
    const auto status = jobs_.find(command.argument);
    if (!status) return reply_line("NF");
    answer_when_final(status->id, connection, command.timeout, &status_line);
    return {};
}

void BatchCommands::answer_when_final(const std::string& id, net::ConnectionId connection,
                                      std::optional<std::chrono::milliseconds> timeout,
                                      std::string (*answer)(const JobStatus&)) {
    jobs_.wait(id, connection, timeout, [this, connection, answer](const JobStatus& status) {
        replier_.reply(connection, answer(status));
    });
}

std::string why_no_rows(const JobStatus& status) {
    switch (status.state) {
        case JobState::Done: {
            const auto to = status.settings.find("to=items:");
            if (to == std::string::npos) return {};
            const auto end = status.settings.find(' ', to);
            return "the rows are items, " + status.settings.substr(to, end - to);
        }
        case JobState::Failed:
            return "the job has no result, it failed: " + status.reason;
        case JobState::Stopped:
            return "the job has no result, it was stopped";
        case JobState::Planned:
            return "the job is only planned; use batch run " + status.id;
        case JobState::Lost:
            return "the job was lost: " + status.reason;
        case JobState::Queued:
        case JobState::Running:
            break;
    }
    return "the job has not ended; use batch wait";
}

BatchCommands::Reply BatchCommands::get(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    if (!status) return reply_line("NF");
    if (const std::string why = why_no_rows(*status); !why.empty()) return reply_line("NS", why);
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    const std::uint64_t until =
        clock_ns_() + static_cast<std::uint64_t>(command.time.count()) * kNsPerMs;
    Reply reply;
    const auto read =
        results_.read(*status, command.from, command.rows, [&](const snapshot::Item& row) {
            protocol::append_batch_row(reply, row.key, row.value, row.client_flags, row.exptime);
            return reply.size() < command.bytes && clock_ns_() < until;
        });
    if (!read) return server_error(read.error());
    std::optional<std::uint64_t> more;
    if (*read > 0 && command.from + *read < status->figures.rows) more = command.from + *read;
    protocol::append_batch_end(reply, more);
    return reply;
}

BatchCommands::Reply BatchCommands::stop(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    if (!status) return reply_line("NF");
    jobs_.stop(status->id);
    return status_line(*jobs_.find(status->id));
}

BatchCommands::Reply BatchCommands::drop(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    if (!status) return reply_line("NF");
    if (!is_final(status->state)) return reply_line("NS", "the job has not ended; stop it first");
    if (auto dropped = jobs_.drop(status->id); !dropped) return server_error(dropped.error());
    return reply_line("HD", fmt::format("{} state=dropped", status->id));
}

BatchCommands::Reply BatchCommands::list(const BatchCommand&, net::ConnectionId) {
    Reply reply;
    for (const JobStatus& status : jobs_.list()) {
        protocol::append_batch_row(reply, status.id, status_json(status));
    }
    protocol::append_batch_end(reply, std::nullopt);
    return reply;
}

BatchCommands::Reply BatchCommands::kernels(const BatchCommand&, net::ConnectionId) {
    Reply reply;
    for (const compute::KernelInfo& kernel : registry_.list()) {
        JsonObject json;
        json.add("arguments", kernel.arguments);
        json.add("description", kernel.description);
        json.add("origin", kernel.origin);
        protocol::append_batch_row(reply, kernel.name, std::move(json).take());
    }
    protocol::append_batch_end(reply, std::nullopt);
    return reply;
}

void BatchCommands::stats(net::ConnectionId connection) {
    std::array<std::uint64_t, kJobStates> in_state{};
    std::uint64_t scanned = 0;
    std::uint64_t bytes = 0;
    std::uint64_t cpu_ms = 0;
    std::uint64_t not_moved = 0;
    std::uint64_t acted = 0;
    std::uint64_t stuck_ms = 0;
    const std::vector<JobStatus> jobs = jobs_.list();
    for (const JobStatus& status : jobs) {
        ++in_state[static_cast<std::size_t>(status.state)];
        scanned += status.figures.scanned;
        bytes += status.figures.bytes;
        cpu_ms += status.figures.cpu_ms;
        acted += status.figures.acted;
        if (status.measured) not_moved += status.measured->not_moved;
        stuck_ms = std::max(stuck_ms, status.stuck_ms);
    }
    Reply reply;
    protocol::append_stat(reply, "batch_jobs", jobs.size());
    for (std::size_t state = 0; state < in_state.size(); ++state) {
        protocol::append_stat(reply,
                              fmt::format("batch_{}", job_state_name(static_cast<JobState>(state))),
                              in_state[state]);
    }
    protocol::append_stat(reply, "batch_scanned", scanned);
    protocol::append_stat(reply, "batch_bytes", bytes);
    protocol::append_stat(reply, "batch_cpu_ms", cpu_ms);
    protocol::append_stat(reply, "batch_acted", acted);
    protocol::append_stat(reply, "batch_bytes_not_moved", not_moved);
    protocol::append_stat(reply, "batch_stuck_ms", stuck_ms >= kStuckMs ? stuck_ms : 0);
    protocol::append_stat(reply, "batch_results_memory", results_.memory_bytes());
    for (const JobStatus& status : jobs) {
        protocol::append_stat(reply, "job:" + status.id,
                              fmt::format("{} {}% {}", job_state_name(status.state), status.percent,
                                          status.name.empty() ? "-" : status.name));
    }
    reply += protocol::replies::kEnd;
    replier_.reply(connection, std::move(reply));
}

}  // namespace shardmill::engine
