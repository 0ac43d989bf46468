#include "engine/snapshot_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "engine/control_replies.h"
#include "engine/json_text.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

using snapshot::CatalogEntry;

std::string refused(const SnapshotRefusal& refusal) {
    switch (refusal.kind) {
        case SnapshotRefusal::Kind::NotNow:
            return reply_line("NS", refusal.what);
        case SnapshotRefusal::Kind::Taken:
            return reply_line("EX", refusal.what);
        case SnapshotRefusal::Kind::NotFound:
            return reply_line("NF");
        case SnapshotRefusal::Kind::BadName:
            return client_error(refusal.what);
        case SnapshotRefusal::Kind::Failed:
            break;
    }
    return server_error(refusal.what);
}

const char* state_of(const CatalogEntry& entry) {
    switch (entry.state) {
        case CatalogEntry::State::Complete:
            return entry.current ? "committed" : "previous";
        case CatalogEntry::State::Incomplete:
            return "incomplete";
        case CatalogEntry::State::Damaged:
            return "damaged";
    }
    return "";
}

std::string entry_json(const CatalogEntry& entry) {
    JsonObject json;
    json.add("state", state_of(entry));
    if (entry.state == CatalogEntry::State::Complete) {
        const snapshot::Totals totals = entry.manifest.totals();
        const std::string_view label = entry.manifest.fact(snapshot::Catalog::kLabelFact);
        if (!label.empty()) json.add("label", label);
        json.add("created", entry.manifest.created);
        json.add("items", totals.items);
        json.add("bytes", totals.file_bytes);
        json.add("files", entry.manifest.files.size());
        json.add("shards", entry.manifest.shards);
    }
    if (!entry.problem.empty()) json.add("problem", entry.problem);
    return std::move(json).take();
}

std::string entry_line(const CatalogEntry& entry) {
    std::string text = fmt::format("{} state={}", entry.name, state_of(entry));
    if (entry.state == CatalogEntry::State::Complete) {
        const snapshot::Totals totals = entry.manifest.totals();
        const std::string_view label = entry.manifest.fact(snapshot::Catalog::kLabelFact);
        text += fmt::format(" items={} bytes={} files={} shards={} created={}", totals.items,
                            totals.file_bytes, entry.manifest.files.size(), entry.manifest.shards,
                            entry.manifest.created);
        if (!label.empty()) text += fmt::format(" label={}", label);
    }
    if (!entry.problem.empty()) text += " reason=" + entry.problem;
    return reply_line("HD", std::move(text));
}

/// The reason is last and goes to the end of the line.
std::string status_line(const SnapshotStatus& status) {
    std::string text =
        fmt::format("{} state={} percent={} items={} bytes={} ms={} created={} memory={}",
                    status.name, snapshot_state_name(status.state), status.percent, status.items,
                    status.file_bytes, status.ms, status.created, status.memory_peak);
    if (!status.label.empty()) text += " label=" + status.label;
    if (!status.reason.empty()) text += " reason=" + status.reason;
    return reply_line("HD", std::move(text));
}

std::string load_line(const LoadStatus& status) {
    const LoadReport& report = status.report;
    std::string text = fmt::format(
        "{} state={} percent={} items={} expired={} surplus={} superseded={} not_stored={} ms={}",
        report.name.empty() ? "-" : report.name, load_state_name(status.state), status.percent,
        report.items, report.expired, report.surplus, report.superseded, report.not_stored,
        report.ms);
    if (!status.reason.empty()) text += " reason=" + status.reason;
    return reply_line("HD", std::move(text));
}

void append_load_stats(std::string& reply, const LoadStatus& status, std::uint64_t memory) {
    const LoadReport& report = status.report;
    const auto stat = [&reply](std::string_view name, const auto& value) {
        protocol::append_stat(reply, name, value);
    };
    stat("snapshot_load_state", load_state_name(status.state));
    if (!report.name.empty()) stat("snapshot_load_name", report.name);
    stat("snapshot_load_percent", status.percent);
    stat("snapshot_load_items", report.items);
    stat("snapshot_load_expired", report.expired);
    stat("snapshot_load_surplus", report.surplus);
    stat("snapshot_load_superseded", report.superseded);
    stat("snapshot_load_not_stored", report.not_stored);
    stat("snapshot_load_ms", report.ms);
    stat("snapshot_load_clock_back", report.clock_back_s);
    stat("snapshot_load_memory", memory);
    if (!status.reason.empty()) stat("snapshot_load_error", status.reason);
}

}  // namespace

struct SnapshotCommands::Verb {
    std::string_view word;
    Handler handler;
    bool takes_name;
    bool needs_name;
};

constexpr SnapshotCommands::Verb SnapshotCommands::kVerbs[] = {
    {"save", &SnapshotCommands::save, true, false},
    {"list", &SnapshotCommands::list, false, false},
    {"stat", &SnapshotCommands::stat, true, false},
    {"stop", &SnapshotCommands::stop, false, false},
    {"drop", &SnapshotCommands::drop, true, true},
    {"load", &SnapshotCommands::load, true, false},
    {"verify", &SnapshotCommands::verify, true, false},
};

void SnapshotCommands::execute(std::string_view arguments, net::ConnectionId connection) {
    const std::string_view word = protocol::next_key(arguments);
    const std::string_view name = protocol::next_key(arguments);
    const bool more = !protocol::next_key(arguments).empty();
    const auto verb = std::ranges::find(kVerbs, word, &Verb::word);
    const bool known = verb != std::end(kVerbs);
    Reply reply;
    if (!known || more || (!name.empty() && !verb->takes_name)) {
        reply = client_error(
            "usage: snapshot save [name] | list | stat [name] | stop | drop <name> | load [name] | "
            "verify [name]");
    } else if (name.empty() && verb->needs_name) {
        reply = client_error(fmt::format("usage: snapshot {} <name>", word));
    } else {
        reply = (this->*verb->handler)(name, connection);
    }
    if (!reply.empty()) replier_.reply(connection, std::move(reply));
}

SnapshotCommands::Reply SnapshotCommands::save(std::string_view name,
                                               net::ConnectionId connection) {
    const auto started = snapshots_.save(name, [this, connection](const SnapshotStatus& status) {
        const bool committed = status.state == SnapshotStatus::State::Committed;
        replier_.reply(connection,
                       committed ? status_line(status)
                                 : server_error(fmt::format("{}: {}", status.name, status.reason)));
    });
    return started ? Reply() : refused(started.error());
}

SnapshotCommands::Reply SnapshotCommands::list(std::string_view, net::ConnectionId) {
    const auto entries = snapshots_.list();
    if (!entries) return refused(entries.error());
    Reply reply;
    for (const CatalogEntry& entry : *entries) {
        protocol::append_batch_row(reply, entry.name, entry_json(entry));
    }
    protocol::append_batch_end(reply, std::nullopt);
    return reply;
}

SnapshotCommands::Reply SnapshotCommands::stat(std::string_view name, net::ConnectionId) {
    const auto saving = snapshots_.status();
    if (!name.empty()) {
        if (saving && (saving->name == name || saving->label == name) &&
            saving->state == SnapshotStatus::State::Saving) {
            return status_line(*saving);
        }
        const auto entry = snapshots_.find(name);
        return entry ? entry_line(*entry) : refused(entry.error());
    }
    const auto loading = loader_.status();
    if (loading && loading->state == LoadStatus::State::Loading) return load_line(*loading);
    if (saving) return status_line(*saving);
    return loading ? load_line(*loading) : reply_line("NF");
}

SnapshotCommands::Reply SnapshotCommands::stop(std::string_view, net::ConnectionId) {
    if (snapshots_.stop()) {
        return reply_line("HD", fmt::format("{} state=stopping", snapshots_.status()->name));
    }
    if (loader_.incomplete()) {
        return reply_line("NS",
                          "the server needs the snapshot that is being loaded; stop the server");
    }
    return loader_.stop() ? reply_line("HD", "- state=stopping") : reply_line("NF");
}

SnapshotCommands::Reply SnapshotCommands::drop(std::string_view name, net::ConnectionId) {
    const auto dropped = snapshots_.drop(name);
    return dropped ? reply_line("HD", *dropped + " state=dropped") : refused(dropped.error());
}

SnapshotCommands::Reply SnapshotCommands::load(std::string_view name,
                                               net::ConnectionId connection) {
    const auto entry = snapshots_.find(name);
    if (!entry) return refused(entry.error());
    const auto started = loader_.load(entry->name, [this, connection](const LoadStatus& status) {
        const bool failed = status.state == LoadStatus::State::Failed;
        replier_.reply(connection, failed ? server_error(status.reason) : load_line(status));
    });
    if (!started) return reply_line("NS", started.error());
    return {};
}

SnapshotCommands::Reply SnapshotCommands::verify(std::string_view name,
                                                 net::ConnectionId connection) {
    const std::uint64_t started_ns = base::monotonic_ns();
    const auto started = snapshots_.verify(
        name, [this, connection, started_ns](const CatalogEntry& entry, const std::string& what) {
            const snapshot::Totals totals = entry.manifest.totals();
            replier_.reply(
                connection,
                what.empty()
                    ? reply_line("HD", fmt::format("{} state=sound items={} bytes={} ms={}",
                                                   entry.name, totals.items, totals.file_bytes,
                                                   (base::monotonic_ns() - started_ns) / 1'000'000))
                    : server_error(what));
        });
    return started ? Reply() : refused(started.error());
}

void SnapshotCommands::stats(net::ConnectionId connection) {
    std::string reply;
    const auto stat = [&reply](std::string_view name, const auto& value) {
        protocol::append_stat(reply, name, value);
    };
    const auto status = snapshots_.status();
    const auto loading = loader_.status();
    const SnapshotCounts& counts = snapshots_.counts();
    const bool saving = status && status->state == SnapshotStatus::State::Saving;
    stat("snapshot_enabled", snapshots_.has_directory() ? 1u : 0u);
    stat("snapshot_saving", saving ? 1u : 0u);
    stat("snapshot_loading", loading && loading->state == LoadStatus::State::Loading ? 1u : 0u);
    stat("snapshot_saves", counts.saves);
    stat("snapshot_failures", counts.failures);
    if (const std::uint64_t at = snapshots_.committed_at(); at != 0) {
        const std::uint64_t now = snapshots_.now();
        stat("snapshot_committed_at", at);
        stat("snapshot_age", now > at ? now - at : 0);
    }
    if (!counts.last_error.empty()) {
        stat("snapshot_error", counts.last_error);
        stat("snapshot_error_at", counts.last_error_at);
    }
    if (status) {
        stat("snapshot_name", status->name);
        stat("snapshot_state", snapshot_state_name(status->state));
        stat("snapshot_created", status->created);
        stat("snapshot_percent", status->percent);
        stat("snapshot_items", status->items);
        stat("snapshot_bytes", status->file_bytes);
        stat("snapshot_ms", status->ms);
        stat("snapshot_memory", status->memory);
        stat("snapshot_memory_peak", status->memory_peak);
    }
    if (loading) append_load_stats(reply, *loading, loader_.memory_bytes());
    reply += protocol::replies::kEnd;
    replier_.reply(connection, std::move(reply));
}

}  // namespace shardmill::engine
