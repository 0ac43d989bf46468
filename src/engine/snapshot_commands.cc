#include "engine/snapshot_commands.h"

#include <fmt/format.h>

#include <utility>

#include "engine/json_text.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

const char* entry_state(const snapshot::CatalogEntry& entry) {
    switch (entry.state) {
        case snapshot::CatalogEntry::State::Complete:
            return entry.current ? "committed" : "previous";
        case snapshot::CatalogEntry::State::Incomplete:
            return "incomplete";
        case snapshot::CatalogEntry::State::Damaged:
            return "damaged";
    }
    return "";
}

std::string entry_json(const snapshot::CatalogEntry& entry) {
    JsonObject json;
    json.add("state", entry_state(entry));
    if (entry.state == snapshot::CatalogEntry::State::Complete) {
        const snapshot::Totals totals = entry.manifest.totals();
        json.add("created", entry.manifest.created);
        json.add("items", totals.items);
        json.add("bytes", totals.file_bytes);
        json.add("files", entry.manifest.files.size());
        json.add("shards", entry.manifest.shards);
    }
    if (!entry.problem.empty()) json.add("problem", entry.problem);
    return std::move(json).take();
}

}  // namespace

void SnapshotCommands::execute(std::string_view arguments, net::ConnectionId connection) {
    if (arguments == "save") {
        save(connection);
        return;
    }
    if (arguments == "list") {
        replier_.reply(connection, list());
        return;
    }
    std::string reply;
    protocol::append_client_error(reply, "usage: snapshot save|list");
    replier_.reply(connection, std::move(reply));
}

void SnapshotCommands::save(net::ConnectionId connection) {
    const auto started = snapshots_.save([this, connection](const SnapshotStatus& status) {
        std::string reply;
        if (status.state == SnapshotStatus::State::Failed) {
            protocol::append_server_error(reply, fmt::format("{}: {}", status.name, status.reason));
        } else {
            protocol::append_batch_line(reply, "HD",
                                        fmt::format("{} state={} items={} bytes={} ms={}",
                                                    status.name, snapshot_state_name(status.state),
                                                    status.items, status.file_bytes, status.ms));
        }
        replier_.reply(connection, std::move(reply));
    });
    if (started) return;
    std::string reply;
    protocol::append_batch_line(reply, "NS", started.error());
    replier_.reply(connection, std::move(reply));
}

std::string SnapshotCommands::list() const {
    std::string reply;
    const auto entries = snapshots_.list();
    if (!entries) {
        protocol::append_server_error(reply, entries.error());
        return reply;
    }
    for (const snapshot::CatalogEntry& entry : *entries) {
        protocol::append_batch_row(reply, entry.name, entry_json(entry));
    }
    protocol::append_batch_end(reply, std::nullopt);
    return reply;
}

void SnapshotCommands::stats(net::ConnectionId connection) {
    std::string reply;
    const auto status = snapshots_.status();
    const bool saving = status && status->state == SnapshotStatus::State::Saving;
    protocol::append_stat(reply, "snapshot_enabled", snapshots_.has_directory() ? 1u : 0u);
    protocol::append_stat(reply, "snapshot_saving", saving ? 1u : 0u);
    if (status) {
        protocol::append_stat(reply, "snapshot_name", status->name);
        protocol::append_stat(reply, "snapshot_state", snapshot_state_name(status->state));
        protocol::append_stat(reply, "snapshot_created", status->created);
        protocol::append_stat(reply, "snapshot_percent", status->percent);
        protocol::append_stat(reply, "snapshot_items", status->items);
        protocol::append_stat(reply, "snapshot_bytes", status->file_bytes);
        protocol::append_stat(reply, "snapshot_ms", status->ms);
        if (!status->reason.empty()) protocol::append_stat(reply, "snapshot_error", status->reason);
    }
    reply += protocol::replies::kEnd;
    replier_.reply(connection, std::move(reply));
}

}  // namespace shardmill::engine
