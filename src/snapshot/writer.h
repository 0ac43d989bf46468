#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/catalog.h"
#include "snapshot/error.h"
#include "snapshot/manifest.h"
#include "snapshot/shard_file_writer.h"

namespace shardmill::snapshot {

struct WriterOptions {
    std::uint32_t shards = 1;   // of the server, for the record
    std::uint64_t created = 0;  // unix seconds of the cut; 0: now
    Codec codec = Codec::Zstd;  // blocks that do not shrink are stored as they are
    int zstd_level = 1;
    std::uint32_t block_bytes = 512u << 10;  // aimed at, before compression
    unsigned keep = 2;     // committed snapshots left after a commit, the new one included
    std::uint64_t id = 0;  // 0: random
};

/// Writes one snapshot or result. Created, committed and aborted on one thread (the control
/// thread); in between any worker may open shard files and fill them, each file by one thread at a
/// time.
///
///     auto writer = SnapshotWriter::create(catalog, Kind::Contents, {}, options);
///     auto file = writer->open_file();          // one per worker, or per shard
///     file->append(item_of(view)); ... file->finish();
///     writer->commit();
///
/// Nothing of it is visible to readers before `commit` has returned success. Without a commit the
/// destructor removes what was written. All calls block on the disk.
class SnapshotWriter {
 public:
    /// `name`: for Kind::Contents empty (one is made from time and id), for Kind::Result the job's
    /// id ("18f3a0-7"; the directory becomes result-18f3a0-7). The catalog outlives the writer.
    /// Errors: Exists, Invalid (name), Io.
    static Result<std::unique_ptr<SnapshotWriter>> create(Catalog& catalog, Kind kind,
                                                          std::string_view name,
                                                          const WriterOptions& options);
    ~SnapshotWriter();
    SnapshotWriter(const SnapshotWriter&) = delete;
    SnapshotWriter& operator=(const SnapshotWriter&) = delete;

    /// The next shard file. Rows of a result keep their order within a file, and files are read in
    /// the order of opening. Any thread. The file must be finished or destroyed before commit,
    /// abort and destruction.
    Result<std::unique_ptr<ShardFileWriter>> open_file();

    /// Kept in the manifest: configuration that matters, a job's pipeline and figures. Names are
    /// [a-z0-9_.]+, values any text. A second call with the same name replaces the value. Control
    /// thread, before commit.
    void set_fact(std::string_view name, std::string_view value);
    /// The highest CAS the server has handed out or could have; the highest one among the items is
    /// noted anyway.
    void note_highest_cas(std::uint64_t cas) noexcept;

    /// Makes it the committed one, in the order of operations the README gives, then removes older
    /// ones. On failure the one committed before is still current, and what was written is removed
    /// (or, where the disk does not even allow that, recognised as a leftover). All files must have
    /// been finished without an error. The manifest is returned.
    Result<Manifest> commit();
    /// Removes everything written. Errors are not reported: leftovers are recognised and removed at
    /// the next start.
    void abort() noexcept;

    /// The directory's name: snap-20261123T031500Z-6f0c12ab, result-18f3a0-7.
    const std::string& name() const noexcept { return manifest_.name; }

 private:
    friend class ShardFileWriter;
    enum class State : std::uint8_t { Writing, Committed, Aborted };

    SnapshotWriter(Catalog& catalog, const WriterOptions& options, Manifest manifest,
                   std::string directory);

    void file_finished(std::uint32_t file, const FileEntry& entry, std::uint64_t highest_cas);
    Result<void> name_files();
    Result<void> write_manifest();
    Result<void> commit_steps();
    Result<void> commit_contents();
    Result<void> commit_result();
    void restore_current(const std::optional<std::string>& previous) noexcept;
    std::string path_of(std::string_view file) const;

    Catalog& catalog_;
    const WriterOptions options_;
    std::string directory_;  // its name at present, in the catalog's directory
    State state_ = State::Writing;
    bool keep_on_abort_ = false;  // CURRENT may name it on disk

    std::mutex mutex_;  // guards what workers change: the file list and highest CAS
    Manifest manifest_;
    std::vector<bool> finished_;
};

}  // namespace shardmill::snapshot
