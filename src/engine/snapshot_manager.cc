#include "engine/snapshot_manager.h"

#include <algorithm>

#include "base/log.h"
#include "snapshot/item.h"
#include "snapshot/writer.h"

namespace shardmill::engine {

/// Every lane fills a file of its own; the last one commits.
class SnapshotScan final : public ScanConsumer {
 public:
    SnapshotScan(std::unique_ptr<snapshot::SnapshotWriter> writer,
                 std::function<void(const ScanOutcome&)> on_done)
        : writer_(std::move(writer)), on_done_(std::move(on_done)) {}

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override {
        auto file = writer_->open_file();
        if (!file) return std::unexpected(std::move(file.error().what));
        return std::make_unique<Lane>(std::move(*file));
    }

    ScanResult complete(const std::atomic<bool>&) override {
        auto manifest = writer_->commit();
        if (!manifest) return std::unexpected(std::move(manifest.error().what));
        totals_ = manifest->totals();
        return {};
    }

    void done(const ScanOutcome& outcome) override { on_done_(outcome); }

    /// Set once it is committed. After the last lane has ended.
    const std::optional<snapshot::Totals>& totals() const noexcept { return totals_; }
    const std::string& name() const noexcept { return writer_->name(); }

 private:
    class Lane final : public ScanLane {
     public:
        explicit Lane(std::unique_ptr<snapshot::ShardFileWriter> file) : file_(std::move(file)) {}

        ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                       const std::atomic<bool>& stop) override {
            ScanResult result;
            store::visit_items(segment, now, [&](const store::ItemView& item) {
                if (!result || stop.load(std::memory_order_relaxed)) return;
                if (auto written = file_->append(snapshot::item_of(item)); !written) {
                    result = std::unexpected(std::move(written.error().what));
                }
            });
            return result;
        }

        ScanResult finish() override {
            if (auto finished = file_->finish(); !finished) {
                return std::unexpected(std::move(finished.error().what));
            }
            return {};
        }

     private:
        const std::unique_ptr<snapshot::ShardFileWriter> file_;
    };

    const std::unique_ptr<snapshot::SnapshotWriter> writer_;
    const std::function<void(const ScanOutcome&)> on_done_;
    std::optional<snapshot::Totals> totals_;
};

SnapshotManager::SnapshotManager(Parts parts) : parts_(std::move(parts)) {}
SnapshotManager::~SnapshotManager() = default;

std::expected<void, std::string> SnapshotManager::save(OnEnd on_end) {
    if (!has_directory()) {
        return std::unexpected(
            "there is no directory for snapshots; start the server with -o snapshot_dir=<dir>");
    }
    if (scan_) return std::unexpected("a snapshot is being saved: " + scan_->name());
    const std::uint64_t created = parts_.clock();
    auto writer = snapshot::SnapshotWriter::create(*parts_.catalog, snapshot::Kind::Contents, {},
                                                   {.shards = parts_.shards, .created = created});
    if (!writer) return std::unexpected(std::move(writer.error().what));
    for (const auto& [name, value] : parts_.facts) (*writer)->set_fact(name, value);

    scan_ = std::make_shared<SnapshotScan>(std::move(*writer),
                                           [this](const ScanOutcome& outcome) { ended(outcome); });
    status_ = SnapshotStatus{.name = scan_->name(), .created = created, .reason = {}};
    on_end_ = std::move(on_end);
    started_ns_ = base::monotonic_ns();
    handle_.emplace(parts_.scans->start(scan_));
    base::log_verbose(1, "snapshot {}: saving", status_->name);
    return {};
}

void SnapshotManager::cancel() {
    if (handle_) handle_->cancel();
}

void SnapshotManager::ended(const ScanOutcome& outcome) {
    status_ = status();
    if (const auto& totals = scan_->totals()) {
        status_->state = SnapshotStatus::State::Committed;
        status_->percent = 100;
        status_->items = totals->items;
        status_->file_bytes = totals->file_bytes;
    } else {
        status_->state = SnapshotStatus::State::Failed;
        status_->reason = outcome.reason;
        base::log_error("snapshot {} was not saved: {}", status_->name, outcome.reason);
    }
    base::log_verbose(1, "snapshot {}: {}, {} items in {} ms", status_->name,
                      snapshot_state_name(status_->state), status_->items, status_->ms);
    handle_.reset();
    scan_.reset();  // removes what was written, unless it was committed
    if (const OnEnd on_end = std::exchange(on_end_, nullptr)) on_end(*status_);
}

std::optional<SnapshotStatus> SnapshotManager::status() const {
    if (!status_ || !handle_) return status_;
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    SnapshotStatus status = *status_;
    const ScanProgress progress = handle_->progress();
    status.percent = std::min(progress.percent(), 99u);
    status.items = progress.items;
    status.ms = (base::monotonic_ns() - started_ns_) / kNsPerMs;
    return status;
}

std::expected<std::vector<snapshot::CatalogEntry>, std::string> SnapshotManager::list() const {
    if (!has_directory()) return std::vector<snapshot::CatalogEntry>{};
    auto entries = parts_.catalog->list();
    if (!entries) return std::unexpected(std::move(entries.error().what));
    std::erase_if(*entries, [](const snapshot::CatalogEntry& entry) {
        return !snapshot::Catalog::is_snapshot_name(entry.name);
    });
    return std::move(*entries);
}

}  // namespace shardmill::engine
