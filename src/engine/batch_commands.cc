#include "engine/batch_commands.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "engine/json_text.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

std::string line(std::string_view code, std::string_view text = {}) {
    std::string reply;
    protocol::append_batch_line(reply, code, text);
    return reply;
}

std::string client_error(std::string_view text) {
    std::string reply;
    protocol::append_client_error(reply, text);
    return reply;
}

std::string server_error(std::string_view text) {
    std::string reply;
    protocol::append_server_error(reply, text);
    return reply;
}

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
    if (!status.name.empty()) text += " name=" + status.name;
    if (!status.reason.empty()) text += " reason=" + status.reason;
    for (char& c : text) {
        if (c == '\r' || c == '\n') c = ' ';
    }
    return line("HD", text);
}

}  // namespace

std::string status_json(const JobStatus& status) {
    JsonObject json;
    json.add("state", job_state_name(status.state));
    if (!status.name.empty()) json.add("name", status.name);
    json.add("pipeline", status.pipeline);
    if (!status.prefix.empty()) json.add("prefix", status.prefix);
    if (!status.glob.empty()) json.add("glob", status.glob);
    json.add("created", status.created);
    json.add("percent", status.percent);
    json.add("scanned", status.figures.scanned);
    json.add("matched", status.figures.matched);
    json.add("failed", status.figures.failed);
    json.add("bytes", status.figures.bytes);
    json.add("ms", status.figures.ms);
    json.add("rows", status.figures.rows);
    json.add("result_bytes", status.figures.result_bytes);
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

BatchCommands::Reply BatchCommands::run(const BatchCommand& command, net::ConnectionId connection) {
    auto id = jobs_.run(command);
    if (!id) {
        switch (id.error().kind) {
            case JobRefusal::Kind::BadPipeline:
                return client_error(id.error().what);
            case JobRefusal::Kind::NameTaken:
                return line("EX", id.error().what);
            case JobRefusal::Kind::Busy:
                return line("NS", id.error().what);
        }
    }
    if (!command.wait) return line("HD", fmt::format("{} state=queued", *id));
    answer_when_final(*id, connection, command.wait);
    return {};
}

BatchCommands::Reply BatchCommands::plan(const BatchCommand&, net::ConnectionId) {
    return line("NS", "batch plan is not available in this version");
}

BatchCommands::Reply BatchCommands::stat(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    return status ? status_line(*status) : line("NF");
}

BatchCommands::Reply BatchCommands::wait(const BatchCommand& command,
                                         net::ConnectionId connection) {
    const auto status = jobs_.find(command.argument);
    if (!status) return line("NF");
    answer_when_final(status->id, connection, command.timeout);
    return {};
}

void BatchCommands::answer_when_final(const std::string& id, net::ConnectionId connection,
                                      std::optional<std::chrono::milliseconds> timeout) {
    jobs_.wait(id, connection, timeout, [this, connection](const JobStatus& status) {
        replier_.reply(connection, status_line(status));
    });
}

BatchCommands::Reply BatchCommands::get(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    if (!status) return line("NF");
    if (status->state != JobState::Done) {
        if (!is_final(status->state)) return line("NS", "the job has not ended; use batch wait");
        return line("NS",
                    fmt::format("the job has no result, it {}{}",
                                status->state == JobState::Failed ? "failed: " : "was stopped",
                                status->reason));
    }
    Reply reply;
    const auto read =
        results_.read(status->id, command.from, command.rows, [&reply](const snapshot::Item& row) {
            protocol::append_batch_row(reply, row.key, row.value, row.client_flags, row.exptime);
            return reply.size() < kPageBytes;
        });
    if (!read) return server_error(read.error());
    std::optional<std::uint64_t> more;
    if (*read > 0 && command.from + *read < status->figures.rows) more = command.from + *read;
    protocol::append_batch_end(reply, more);
    return reply;
}

BatchCommands::Reply BatchCommands::stop(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    if (!status) return line("NF");
    jobs_.stop(status->id);
    return status_line(*jobs_.find(status->id));
}

BatchCommands::Reply BatchCommands::drop(const BatchCommand& command, net::ConnectionId) {
    const auto status = jobs_.find(command.argument);
    if (!status) return line("NF");
    if (!is_final(status->state)) return line("NS", "the job has not ended; stop it first");
    if (auto dropped = jobs_.drop(status->id); !dropped) return server_error(dropped.error());
    return line("HD", fmt::format("{} state=dropped", status->id));
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
    std::array<std::uint64_t, 5> in_state{};
    std::uint64_t scanned = 0;
    std::uint64_t bytes = 0;
    const std::vector<JobStatus> jobs = jobs_.list();
    for (const JobStatus& status : jobs) {
        ++in_state[static_cast<std::size_t>(status.state)];
        scanned += status.figures.scanned;
        bytes += status.figures.bytes;
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
