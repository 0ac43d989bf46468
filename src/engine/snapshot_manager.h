#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/control_queue.h"
#include "engine/scan_driver.h"
#include "snapshot/catalog.h"

namespace shardmill::engine {

/// What a save came to.
struct SnapshotStatus {
    enum class State : std::uint8_t { Saving, Committed, Failed };
    State state = State::Saving;
    std::string name;
    std::uint32_t percent = 0;
    std::uint64_t items = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t ms = 0;
    std::uint64_t created = 0;  // unix seconds
    std::string reason;         // Failed: why
};

constexpr const char* snapshot_state_name(SnapshotStatus::State state) noexcept {
    constexpr const char* kNames[] = {"saving", "committed", "failed"};
    return kNames[static_cast<std::size_t>(state)];
}

class SnapshotScan;

/// Saves the contents, one save at a time: a scan whose items are streamed to files on the workers.
/// Control thread only.
class SnapshotManager {
 public:
    struct Parts {
        ScanDriver* scans = nullptr;
        snapshot::Catalog* catalog =
            nullptr;  // nullptr: there is no directory, every save is refused
        std::uint32_t shards = 1;
        std::vector<std::pair<std::string, std::string>> facts;  // for the manifest
        base::UnixSeconds (*clock)() noexcept = base::unix_now;
    };
    explicit SnapshotManager(Parts parts);
    ~SnapshotManager();
    SnapshotManager(const SnapshotManager&) = delete;
    SnapshotManager& operator=(const SnapshotManager&) = delete;

    bool has_directory() const noexcept { return parts_.catalog != nullptr; }

    /// Starts a save; `on_end` runs when it is committed or has failed. Unexpected: why not now;
    /// `on_end` is not called.
    using OnEnd = std::function<void(const SnapshotStatus&)>;
    std::expected<void, std::string> save(OnEnd on_end);

    /// Gives up the save that is under way.
    void cancel();

    /// The save that is under way, else the last one since the start; nullopt: none yet.
    std::optional<SnapshotStatus> status() const;

    /// What is on disk, newest first, results left out. Blocks on the disk.
    std::expected<std::vector<snapshot::CatalogEntry>, std::string> list() const;

 private:
    void ended(const ScanOutcome& outcome);

    const Parts parts_;
    std::shared_ptr<SnapshotScan> scan_;  // while saving
    std::optional<ScanDriver::Handle> handle_;
    OnEnd on_end_;
    std::uint64_t started_ns_ = 0;
    std::optional<SnapshotStatus> status_;
};

}  // namespace shardmill::engine
