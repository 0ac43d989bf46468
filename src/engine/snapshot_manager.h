#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/control_queue.h"
#include "engine/scan_driver.h"
#include "runtime/task_queue.h"
#include "snapshot/catalog.h"
#include "snapshot/manifest.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// What a save came to, or how far it is.
struct SnapshotStatus {
    enum class State : std::uint8_t { Saving, Committed, Failed, Stopped };
    State state = State::Saving;
    std::string name;   // of the directory
    std::string label;  // the name somebody gave it; empty: none
    std::uint32_t percent = 0;
    std::uint64_t items = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t ms = 0;
    std::uint64_t created = 0;  // unix seconds
    std::uint64_t memory = 0;   // bytes held for it beyond the memory limit; at the end 0
    std::uint64_t memory_peak = 0;
    std::string reason;  // Failed: why
};

constexpr const char* snapshot_state_name(SnapshotStatus::State state) noexcept {
    constexpr const char* kNames[] = {"saving", "committed", "failed", "stopped"};
    return kNames[static_cast<std::size_t>(state)];
}

/// How snapshots are written.
struct SnapshotSettings {
    snapshot::Codec codec = snapshot::Codec::Zstd;
    int level = 1;                     // zstd's
    unsigned keep = 2;                 // committed ones without a name that stay
    std::uint64_t rate = 0;            // bytes a second that are written; 0: as fast as it goes
    std::chrono::seconds interval{0};  // between the beginnings of saves; 0: only when told to
};

/// Saves since the start.
struct SnapshotCounts {
    std::uint64_t saves = 0;     // committed
    std::uint64_t failures = 0;  // stopped ones not among them
    std::string last_error;
    std::uint64_t last_error_at = 0;  // unix seconds
};

/// Why something is not done.
struct SnapshotRefusal {
    enum class Kind : std::uint8_t { NotNow, Taken, NotFound, BadName, Failed };
    Kind kind = Kind::NotNow;
    std::string what;
};

class SnapshotScan;

/// Saves the contents, one save at a time: a scan whose items are streamed to files on the workers;
/// and what else is done to snapshots on disk. Control thread only.
class SnapshotManager {
 public:
    struct Parts {
        ScanDriver* scans = nullptr;
        store::ShardSet* shards = nullptr;
        ControlQueue* control = nullptr;
        runtime::TaskQueue* workers = nullptr;
        snapshot::Catalog* catalog =
            nullptr;  // nullptr: there is no directory, every save is refused
        std::vector<std::pair<std::string, std::string>> facts;  // for the manifest
        SnapshotSettings settings = {};
        /// Why the contents must not be saved now; empty: nothing speaks against it.
        std::function<std::string()> obstacle = {};
        base::UnixSeconds (*clock)() noexcept = base::unix_now;
    };
    explicit SnapshotManager(Parts parts);
    ~SnapshotManager();
    SnapshotManager(const SnapshotManager&) = delete;
    SnapshotManager& operator=(const SnapshotManager&) = delete;

    bool has_directory() const noexcept { return parts_.catalog != nullptr; }
    const SnapshotSettings& settings() const noexcept { return parts_.settings; }

    template <typename T>
    using Outcome = std::expected<T, SnapshotRefusal>;
    using OnEnd = std::function<void(const SnapshotStatus&)>;

    /// Starts a save; `on_end` runs when it is committed or has failed. A snapshot with a label
    /// stays until it is dropped. Unexpected: why not; `on_end` is not called.
    Outcome<void> save(std::string_view label, OnEnd on_end);
    /// The one that is still possible after `shut_down`.
    Outcome<void> save_last(OnEnd on_end) { return begin_save({}, std::move(on_end)); }

    /// Gives up the save that is under way. False: none is.
    bool stop();

    /// Begins to save every `settings().interval`, from now on.
    void start_schedule();
    /// No more of that, no verification, and nothing that is asked for from now on: it would be in
    /// the way of the last one.
    void shut_down();

    /// The save that is under way, else the last one since the start; nullopt: none yet.
    std::optional<SnapshotStatus> status() const;
    const SnapshotCounts& counts() const noexcept { return counts_; }
    /// Of the committed snapshot, also of an earlier run; 0: there is none.
    std::uint64_t committed_at() const noexcept { return committed_at_; }
    base::UnixSeconds now() const noexcept { return parts_.clock(); }

    // Snapshots on disk, results left out; these block on it. `name`: of a directory, or a label.
    /// Newest first.
    Outcome<std::vector<snapshot::CatalogEntry>> list() const;
    Outcome<snapshot::CatalogEntry> find(std::string_view name) const;
    /// Any but the committed one. Returns the directory's name.
    Outcome<std::string> drop(std::string_view name);

    /// Reads a whole snapshot on a worker and tells whether everything in it is as it was written:
    /// `what` is empty then. One at a time.
    using OnVerified = std::function<void(const snapshot::CatalogEntry&, const std::string& what)>;
    Outcome<void> verify(std::string_view name, OnVerified on_end);

 private:
    struct Verification;

    Outcome<void> begin_save(std::string_view label, OnEnd on_end);
    void ended(const ScanOutcome& outcome);
    void tick();
    void note_memory();
    void note_failure(const std::string& reason);
    void save_on_schedule();

    const Parts parts_;
    std::shared_ptr<SnapshotScan> scan_;  // while saving
    std::optional<ScanDriver::Handle> handle_;
    OnEnd on_end_;
    std::uint64_t started_ns_ = 0;
    std::optional<SnapshotStatus> status_;
    SnapshotCounts counts_;
    std::uint64_t committed_at_ = 0;
    std::shared_ptr<Verification> verification_;  // while verifying
    ControlQueue::TimerId ticking_ = 0;
    ControlQueue::TimerId schedule_ = 0;
    bool shut_down_ = false;
};

}  // namespace shardmill::engine
