#include "engine/job_keys.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/log.h"
#include "base/number.h"
#include "base/utf8.h"
#include "compute/json_check.h"
#include "engine/batch_commands.h"
#include "engine/batch_parser.h"
#include "engine/commands_loading.h"
#include "engine/json_text.h"
#include "protocol/binary_reply.h"
#include "protocol/parser.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

using protocol::Verb;

constexpr std::string_view kRun = "~b/run/";
constexpr std::string_view kStat = "~b/stat/";
constexpr std::string_view kOut = "~b/out/";

bool reads(Verb verb) noexcept {
    return verb <= Verb::Gats || verb == Verb::MetaGet || verb == Verb::MetaDebug ||
           verb == Verb::BinaryGet || verb == Verb::BinaryGat;
}

bool stores(const protocol::Request& request) noexcept {
    const Verb verb = request.verb;
    if (verb == Verb::MetaSet) {
        return !request.meta.has('C') && request.meta.mode == protocol::StoreMode::Set;
    }
    return verb == Verb::Set || (verb == Verb::BinarySet && request.binary.cas == 0);
}

bool removes(const protocol::Request& request) noexcept {
    const Verb verb = request.verb;
    if (verb == Verb::MetaDelete) {
        return !request.meta.has('C') && !request.meta.has('I') && !request.meta.has('x');
    }
    return verb == Verb::Delete || (verb == Verb::BinaryDelete && request.binary.cas == 0);
}

/// A refusal in the words of the protocol that the request came in.
std::string error_reply(const protocol::Request& request, std::string_view text) {
    std::string reply;
    if (protocol::is_binary(request.verb)) {
        append_binary_text(reply, request, protocol::BinaryStatus::InvalidArguments, text);
    } else if (!request.no_reply) {
        protocol::append_client_error(reply, text);
    }
    return reply;
}

/// `text` as the member `name`; bytes that JSON cannot have are sent base64 as `<name>64`.
void add_text(JsonObject& json, std::string name, std::string_view text) {
    if (base::is_utf8(text)) return json.add(name, text);
    json.add(name + "64", base::base64_encode(text));
}

std::string row_line(const snapshot::Item& row) {
    JsonObject json;
    add_text(json, "key", row.key);
    if (row.client_flags != 0) json.add("flags", row.client_flags);
    if (row.exptime != 0) json.add("exptime", row.exptime);
    // Rows are JSON objects but where a kernel gives whole items.
    const bool one_line = row.value.find('\n') == std::string_view::npos;
    if (row.value.starts_with('{') && one_line && compute::is_json(row.value)) {
        json.add_json("value", row.value);
    } else {
        add_text(json, "value", row.value);
    }
    return std::move(json).take() + '\n';
}

std::string status_text(const JobStatus& status) {
    return "{\"id\":\"" + status.id + "\"," + status_json(status).substr(1);
}

/// The first line of what was set, and the lines behind it as options on one.
std::pair<std::string_view, std::string> split_text(std::string_view text) {
    const auto end = std::min(text.find_first_of("\r\n"), text.size());
    std::string options(text.substr(end));
    std::ranges::replace_if(options, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    return {text.substr(0, end), std::move(options)};
}

}  // namespace

void JobKeys::execute(std::string command, net::ConnectionId connection) {
    protocol::Request request;
    protocol::parse(protocol::Dialect::Auto, command, request);
    Refusal refusal;
    if (reads(request.verb)) {
        refusal = read(request, command, connection);
    } else if (protocol::has_value(request.verb) && request.bad_data_chunk) {
        parts_.replay->run(connection, std::move(command), {});
    } else if (stores(request) && parts_.loader != nullptr && parts_.loader->incomplete()) {
        // A job would see a part of the items and take it for all.
        std::string reply;
        append_loading(reply, request);
        parts_.replier->reply(connection, std::move(reply));
    } else if (stores(request)) {
        refusal = run(request, command, connection);
    } else if (removes(request)) {
        refusal = remove(request, command, connection);
    } else {
        refusal = "keys of jobs can be read, set and deleted, nothing else";
    }
    if (refusal) parts_.replier->reply(connection, error_reply(request, *refusal));
}

JobKeys::Refusal JobKeys::read(const protocol::Request& request, const std::string& command,
                               net::ConnectionId connection) {
    std::vector<CommandReplay::Item> items;
    std::size_t keys = 0;
    std::size_t bytes = 0;
    std::string_view rest = request.verb <= Verb::Gats ? request.more_keys : "";
    for (auto key = request.key; !key.empty(); key = protocol::next_key(rest)) {
        auto value = value_of(key);
        if (value) bytes += value->size();
        if (++keys > CommandReplay::kKeysMax || bytes > CommandReplay::kReplyBytesMax) {
            return std::string(CommandReplay::kTooMuch);
        }
        if (!value) continue;
        items.push_back({std::string(key), std::move(*value)});
    }
    parts_.replay->run(connection, command, std::move(items));
    return std::nullopt;
}

JobKeys::Refusal JobKeys::run(const protocol::Request& request, const std::string& command,
                              net::ConnectionId connection) {
    if (!request.key.starts_with(kRun)) return "only ~b/run/<name> can be set";
    const auto [pipeline, options] = split_text(request.value);
    const std::string line = "run - name=" + std::string(request.key.substr(kRun.size())) + options;
    const auto parsed = parse_batch(line, pipeline);
    if (!parsed) return parsed.error();
    if (auto id = parts_.jobs->run(*parsed); !id) {
        if (id.error().kind != JobRefusal::Kind::NameTaken) return id.error().what;
        return "job " + id.error().what + " has this name and has not ended";
    }
    parts_.replay->run(connection, command, {});
    return std::nullopt;
}

JobKeys::Refusal JobKeys::remove(const protocol::Request& request, const std::string& command,
                                 net::ConnectionId connection) {
    if (!request.key.starts_with(kRun)) return "only ~b/run/<name> can be deleted";
    const std::string key(request.key);
    const auto status = parts_.jobs->find(key.substr(kRun.size()));
    if (!status) {
        parts_.replay->run(connection, command, {});
        return std::nullopt;
    }
    if (!is_final(status->state)) parts_.jobs->stop(status->id);
    parts_.jobs->wait(status->id, connection, std::nullopt,
                      [this, key, command, connection](const JobStatus& job) {
                          const std::string id = job.id;  // dropping takes the job away
                          const std::string pipeline = job.pipeline;
                          if (const auto dropped = parts_.jobs->drop(id); !dropped) {
                              base::log_error("job {} stays: {}", id, dropped.error());
                          }
                          parts_.replay->run(connection, command, {{key, pipeline}});
                      });
    return std::nullopt;
}

std::optional<std::string> JobKeys::value_of(std::string_view key) const {
    if (key.starts_with(kOut)) return rows_of(key.substr(kOut.size()));
    const std::string_view head = key.starts_with(kRun) ? kRun : kStat;
    if (!key.starts_with(head)) return std::nullopt;
    const auto status = parts_.jobs->find(key.substr(head.size()));
    if (!status) return std::nullopt;
    return head == kRun ? status->pipeline : status_text(*status);
}

std::optional<std::string> JobKeys::rows_of(std::string_view name_and_row) const {
    const auto slash = std::min(name_and_row.find('/'), name_and_row.size());
    std::uint64_t from = 0;
    if (slash != name_and_row.size()) {
        const auto row = base::parse_number<std::uint64_t>(name_and_row.substr(slash + 1));
        if (!row) return std::nullopt;
        from = *row;
    }
    const auto status = parts_.jobs->find(name_and_row.substr(0, slash));
    if (!status || !why_no_rows(*status).empty()) return std::nullopt;
    if (from != 0 && from >= status->figures.rows) return std::nullopt;
    std::string lines;
    const auto read =
        parts_.results->read(*status, from, status->figures.rows, [&](const snapshot::Item& row) {
            const std::string line = row_line(row);
            const bool fits = lines.size() + line.size() <= parts_.value_bytes_max;
            if (fits || lines.empty()) lines += line;
            return fits;
        });
    if (!read) return std::nullopt;
    return lines;
}

}  // namespace shardmill::engine
