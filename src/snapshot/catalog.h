#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/error.h"
#include "snapshot/manifest.h"
#include "uring/file.h"

namespace shardmill::snapshot {

/// One directory entry that is a snapshot or a result, or was meant to become one.
struct CatalogEntry {
    enum class State : std::uint8_t {
        Complete,    // has a sound manifest (the shard files are checked when they are read)
        Incomplete,  // a save that was interrupted or is under way; never read
        Damaged,     // has a manifest that is refused; `problem` says why
    };
    State state = State::Incomplete;
    bool current = false;  // the committed one, loaded at start
    std::string name{};    // of the directory
    Manifest manifest{};   // Complete only
    std::string problem{};
};

/// The data directory: which snapshots and results there are, which one is committed, and the lock
/// that keeps a second server out. Thread-safe; all calls block on the disk.
class Catalog {
 public:
    /// Takes the directory for writing: makes it if it is missing (not its parents) and locks it
    /// for the life of the object. Locked: another server uses it.
    static Result<std::unique_ptr<Catalog>> open(uring::FileSystem& fs, std::string directory);
    /// For tools that only look: no lock, nothing is created. Calls that change anything fail with
    /// Invalid.
    static Result<std::unique_ptr<Catalog>> inspect(uring::FileSystem& fs, std::string directory);

    /// Snapshots and results, newest first, interrupted ones included.
    Result<std::vector<CatalogEntry>> list() const;

    /// A snapshot, complete or damaged, by the name of its directory or the label somebody gave it;
    /// with an empty name the committed one. NotFound.
    Result<CatalogEntry> find(std::string_view name) const;

    /// The committed snapshot's name; nullopt: none was ever committed. Corrupt: CURRENT is there
    /// but is not a name, or names a directory that is gone.
    Result<std::optional<std::string>> current() const;

    /// What to load at start: the current one first, then other complete snapshots, newest first.
    /// Results are not among them. An empty list means that there is nothing to load; a damaged
    /// current one is an error, as for `current`.
    Result<std::vector<std::string>> load_candidates() const;

    /// Complete snapshots only, without CURRENT's word on them: for a start that was told to fall
    /// back.
    Result<std::vector<std::string>> complete_snapshots() const;

    /// Names of the complete results without their prefix: what SnapshotWriter::create was given as
    /// a name.
    Result<std::vector<std::string>> results() const;

    /// Removes a result or a snapshot, but not the current one (Invalid). NotFound.
    Result<void> remove(std::string_view name);
    /// Removes what interrupted saves have left; those under way are not touched. Returns how many
    /// entries it removed.
    Result<std::size_t> remove_leftovers();
    /// Forgets which snapshot was committed and removes all that are complete: their contents have
    /// been loaded and must not be loaded again. Results stay, and so do damaged snapshots and
    /// those with a label.
    Result<void> retire_snapshots();
    /// Leaves the current snapshot and the newest complete ones beside it, `keep` (at least 1)
    /// together. `previous`, if given and there, is the first to be kept beside the current one.
    /// Results and snapshots with a label stay and are not counted, and so do damaged ones, for
    /// somebody to look at. Nothing is removed while no snapshot is current.
    Result<void> prune(unsigned keep, std::string_view previous = {});

    uring::FileSystem& fs() const noexcept { return fs_; }
    const std::string& directory() const noexcept { return directory_; }

    /// "snap-20261123T031500Z-6f0c12ab"
    static std::string snapshot_name(std::uint64_t created, std::uint64_t id);
    /// "result-<job>"
    static std::string result_name(std::string_view job);
    /// What somebody may call a snapshot: up to 64 of A-Z a-z 0-9 . _ -, not the name of one of our
    /// directories and not starting with a dot. Kept as the fact kLabelFact.
    static bool is_label(std::string_view label) noexcept;
    static constexpr std::string_view kLabelFact = "label";
    static bool is_snapshot_name(std::string_view name) noexcept;
    static bool is_result_name(std::string_view name) noexcept;
    /// A random number for a snapshot, not 0.
    static std::uint64_t random_id();

 private:
    friend class SnapshotWriter;
    Catalog(uring::FileSystem& fs, std::string directory)
        : fs_(fs), directory_(std::move(directory)) {}

    /// Names under way are hidden from clean-up. Invalid if another snapshot is being saved.
    Result<void> begin_save(const std::string& name);
    void end_save(const std::string& name) noexcept;
    bool is_active(std::string_view name) const;

    std::string path_of(std::string_view name) const;
    Result<void> set_current(std::string_view name);
    Result<void> clear_current();
    Result<void> remove_tree(std::string_view name);
    Result<void> require_lock() const;
    Result<std::vector<std::string>> names() const;
    CatalogEntry look_at(const std::string& name) const;

    uring::FileSystem& fs_;
    const std::string directory_;
    std::unique_ptr<uring::FileLock> lock_;
    mutable std::mutex mutex_;  // guards active_
    std::set<std::string, std::less<>> active_;
};

}  // namespace shardmill::snapshot
