#include "engine/snapshot_manager.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "engine/snapshot_scan.h"
#include "snapshot/reader.h"
#include "snapshot/writer.h"

namespace shardmill::engine {
namespace {

using Kind = SnapshotRefusal::Kind;

constexpr std::chrono::milliseconds kTick{1000 / WriteBudget::kGrantsPerSecond};
constexpr std::uint64_t kNsPerMs = 1'000'000;
/// The manifest's fact with the name that somebody gave the snapshot.
constexpr std::string_view kLabelFact = snapshot::Catalog::kLabelFact;

std::unexpected<SnapshotRefusal> refuse(Kind kind, std::string what) {
    return std::unexpected(SnapshotRefusal{kind, std::move(what)});
}

std::unexpected<SnapshotRefusal> refuse(snapshot::Error error) {
    return refuse(error.kind == snapshot::ErrorKind::NotFound  ? Kind::NotFound
                  : error.kind == snapshot::ErrorKind::Invalid ? Kind::NotNow
                                                               : Kind::Failed,
                  std::move(error.what));
}

std::unexpected<SnapshotRefusal> refuse_without_directory() {
    return refuse(
        Kind::NotNow,
        "there is no directory for snapshots; start the server with -o snapshot_dir=<dir>");
}

}  // namespace

struct SnapshotManager::Verification {
    snapshot::CatalogEntry entry;
    OnVerified on_end;
    std::atomic<bool> stop{false};
};

SnapshotManager::SnapshotManager(Parts parts) : parts_(std::move(parts)) {
    if (!has_directory()) return;
    const auto name = parts_.catalog->current();
    if (!name || !*name) return;
    if (const auto entry = parts_.catalog->find(**name)) committed_at_ = entry->manifest.created;
}

SnapshotManager::~SnapshotManager() = default;

SnapshotManager::Outcome<void> SnapshotManager::save(std::string_view label, OnEnd on_end) {
    if (shut_down_) return refuse(Kind::NotNow, "the server is stopping");
    return begin_save(label, std::move(on_end));
}

SnapshotManager::Outcome<void> SnapshotManager::begin_save(std::string_view label, OnEnd on_end) {
    if (!has_directory()) return refuse_without_directory();
    if (scan_) {
        return refuse(Kind::NotNow, fmt::format("a snapshot is being saved: {}, {} percent",
                                                scan_->name(), status()->percent));
    }
    if (parts_.obstacle) {
        if (std::string why = parts_.obstacle(); !why.empty()) {
            return refuse(Kind::NotNow, std::move(why));
        }
    }
    if (!label.empty()) {
        if (!snapshot::Catalog::is_label(label)) {
            return refuse(Kind::BadName,
                          "a name has up to 64 of A-Z a-z 0-9 . _ - and does not start with a dot, "
                          "snap- or result-");
        }
        if (const auto taken = parts_.catalog->find(label)) return refuse(Kind::Taken, taken->name);
    }
    const std::uint64_t created = parts_.clock();
    const SnapshotSettings& settings = parts_.settings;
    auto writer = snapshot::SnapshotWriter::create(*parts_.catalog, snapshot::Kind::Contents, {},
                                                   {.shards = parts_.shards->size(),
                                                    .created = created,
                                                    .codec = settings.codec,
                                                    .zstd_level = settings.level,
                                                    .keep = settings.keep});
    if (!writer) {
        note_failure(writer.error().what);
        return refuse(Kind::Failed, std::move(writer.error().what));
    }
    for (const auto& [name, value] : parts_.facts) (*writer)->set_fact(name, value);
    if (!label.empty()) (*writer)->set_fact(kLabelFact, label);

    scan_ = std::make_shared<SnapshotScan>(std::move(*writer), settings.rate,
                                           [this](const ScanOutcome& outcome) { ended(outcome); });
    status_ = SnapshotStatus{
        .name = scan_->name(), .label = std::string(label), .created = created, .reason = {}};
    on_end_ = std::move(on_end);
    started_ns_ = base::monotonic_ns();
    handle_.emplace(parts_.scans->start(scan_));
    ticking_ = parts_.control->post_after(kTick, [this] { tick(); });
    base::log_verbose(1, "snapshot {}: saving", status_->name);
    return {};
}

bool SnapshotManager::stop() {
    if (!handle_) return false;
    handle_->cancel();
    return true;
}

/// While a save is under way.
void SnapshotManager::tick() {
    ticking_ = parts_.control->post_after(kTick, [this] { tick(); });
    note_memory();
    if (!scan_->budget().bounded()) return;
    scan_->budget().grant();
    handle_->remote().resume();
}

void SnapshotManager::note_memory() {
    std::uint64_t bytes = scan_->memory_bytes();
    for (std::uint32_t shard = 0; shard < parts_.shards->size(); ++shard) {
        bytes += parts_.shards->lock(shard)->stats().pinned_bytes;
    }
    status_->memory = bytes;
    status_->memory_peak = std::max({status_->memory_peak, bytes, scan_->memory_peak()});
}

void SnapshotManager::ended(const ScanOutcome& outcome) {
    parts_.control->cancel(ticking_);
    note_memory();
    status_ = status();
    status_->memory = 0;
    if (const auto& totals = scan_->totals()) {
        status_->state = SnapshotStatus::State::Committed;
        status_->percent = 100;
        status_->items = totals->items;
        status_->file_bytes = totals->file_bytes;
        committed_at_ = status_->created;
        ++counts_.saves;
    } else if (outcome.status == ScanOutcome::Status::Stopped) {
        status_->state = SnapshotStatus::State::Stopped;
        status_->reason = "it was stopped";
    } else {
        status_->state = SnapshotStatus::State::Failed;
        status_->reason = outcome.reason;
        note_failure(outcome.reason);
        base::log_error("snapshot {} was not saved: {}", status_->name, outcome.reason);
    }
    base::log_verbose(1, "snapshot {}: {}, {} items in {} ms", status_->name,
                      snapshot_state_name(status_->state), status_->items, status_->ms);
    handle_.reset();
    scan_->discard();
    scan_.reset();
    if (const OnEnd on_end = std::exchange(on_end_, nullptr)) on_end(*status_);
}

void SnapshotManager::note_failure(const std::string& reason) {
    ++counts_.failures;
    counts_.last_error = reason;
    counts_.last_error_at = parts_.clock();
}

std::optional<SnapshotStatus> SnapshotManager::status() const {
    if (!status_ || !handle_) return status_;
    SnapshotStatus status = *status_;
    status.percent = std::min(handle_->progress().percent(), 99u);
    status.items = scan_->items();
    status.file_bytes = scan_->file_bytes();
    status.ms = (base::monotonic_ns() - started_ns_) / kNsPerMs;
    return status;
}

void SnapshotManager::start_schedule() {
    if (parts_.settings.interval.count() == 0 || !has_directory()) return;
    schedule_ =
        parts_.control->post_after(parts_.settings.interval, [this] { save_on_schedule(); });
}

void SnapshotManager::save_on_schedule() {
    start_schedule();
    if (const auto started = save({}, nullptr); !started) {
        base::log_error("no snapshot was saved at its time: {}", started.error().what);
    }
}

void SnapshotManager::shut_down() {
    shut_down_ = true;
    parts_.control->cancel(schedule_);
    if (verification_) verification_->stop = true;
}

SnapshotManager::Outcome<std::vector<snapshot::CatalogEntry>> SnapshotManager::list() const {
    if (!has_directory()) return std::vector<snapshot::CatalogEntry>{};
    auto entries = parts_.catalog->list();
    if (!entries) return refuse(std::move(entries.error()));
    std::erase_if(*entries, [](const snapshot::CatalogEntry& entry) {
        return !snapshot::Catalog::is_snapshot_name(entry.name);
    });
    return std::move(*entries);
}

SnapshotManager::Outcome<snapshot::CatalogEntry> SnapshotManager::find(
    std::string_view name) const {
    if (!has_directory()) return refuse_without_directory();
    auto entry = parts_.catalog->find(name);
    if (!entry) return refuse(std::move(entry.error()));
    return std::move(*entry);
}

SnapshotManager::Outcome<std::string> SnapshotManager::drop(std::string_view name) {
    auto entry = find(name);
    if (!entry) return std::unexpected(std::move(entry.error()));
    if (entry->current) {
        return refuse(Kind::NotNow,
                      entry->name + " is what the next start loads; save another one first");
    }
    if (verification_ && verification_->entry.name == entry->name) {
        return refuse(Kind::NotNow, entry->name + " is being verified");
    }
    if (auto removed = parts_.catalog->remove(entry->name); !removed) {
        return refuse(std::move(removed.error()));
    }
    return std::move(entry->name);
}

SnapshotManager::Outcome<void> SnapshotManager::verify(std::string_view name, OnVerified on_end) {
    auto entry = find(name);
    if (!entry) return std::unexpected(std::move(entry.error()));
    if (verification_) {
        return refuse(Kind::NotNow, "a snapshot is being verified: " + verification_->entry.name);
    }
    verification_ = std::make_shared<Verification>(std::move(*entry), std::move(on_end));
    parts_.workers->post([this, verification = verification_] {
        const snapshot::CatalogEntry& checked = verification->entry;
        const auto reader = snapshot::SnapshotReader::open(
            parts_.catalog->fs(), parts_.catalog->directory(), checked.name);
        std::string what;
        if (!reader) {
            what = reader.error().what;
        } else if (const auto read = (*reader)->visit_all(
                       [&](std::span<const snapshot::Item>) { return !verification->stop; });
                   !read) {
            what = read.error().what;
        }
        parts_.control->post([this, what] {
            const auto done = std::exchange(verification_, nullptr);
            done->on_end(done->entry, what);
        });
    });
    return {};
}

}  // namespace shardmill::engine
