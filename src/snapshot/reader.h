#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "snapshot/error.h"
#include "snapshot/item.h"
#include "snapshot/manifest.h"
#include "uring/file.h"

namespace shardmill::snapshot {

struct ReaderOptions {
    /// A file with a block above this is refused before memory is asked for. The default takes the
    /// largest item.
    std::uint64_t block_bytes_max = (1u << 30) + (1u << 20);
};

/// Gets items of one block, at most 1024 at a time, in the order in which they were written. Views
/// die when it returns. False stops the reading with ErrorKind::Stopped.
using BlockVisitor = std::function<bool(std::span<const Item>)>;

class ShardFileReader;

/// One shard file, block by block. One thread; does not outlive its SnapshotReader. Blocks on the
/// disk.
class FileVisit {
 public:
    FileVisit(const Manifest& manifest, std::unique_ptr<ShardFileReader> file);
    FileVisit(FileVisit&&) noexcept;
    FileVisit& operator=(FileVisit&&) noexcept;
    ~FileVisit();

    /// Nothing is left but `finish`.
    bool at_end() const noexcept;
    /// Items that have been visited or skipped.
    std::uint64_t items_passed() const noexcept { return seen_.items + skipped_; }

    /// Hands over the next block.
    Result<void> next(const BlockVisitor& visitor);
    /// Leaves the next block out, unread, if it has no more than `items`. False: it has more.
    Result<bool> skip(std::uint64_t items);
    /// At the end: success means that everything that was visited is as it was written, and without
    /// anything skipped, that it was everything.
    Result<void> finish() const;

 private:
    Result<void> take_header();

    const Manifest* manifest_;
    std::unique_ptr<ShardFileReader> file_;
    bool has_header_ = false;  // of a block that is neither visited nor skipped yet
    std::uint64_t skipped_ = 0;
    Totals seen_;
};

/// Reads one snapshot or result and trusts nothing in it: bounds before allocation, checksums
/// before parsing, totals before success. Any thread; `visit_file` may run for different (or the
/// same) files on several threads at once. Needs no lock on the directory. Blocks on the disk.
///
/// Items are handed over as their block has been checked: a failure further on can come after items
/// were given. Call `check_file` first where that matters.
class SnapshotReader {
 public:
    /// `name`: of the directory in `directory`, as Catalog gives it. Reads and checks the manifest
    /// and the presence and sizes of all files.
    static Result<std::unique_ptr<SnapshotReader>> open(uring::FileSystem& fs,
                                                        std::string directory,
                                                        std::string_view name,
                                                        const ReaderOptions& options = {});

    const Manifest& manifest() const noexcept { return manifest_; }
    std::uint32_t files() const noexcept {
        return static_cast<std::uint32_t>(manifest_.files.size());
    }

    /// For who wants to go through several files side by side.
    Result<FileVisit> visit(std::uint32_t file) const;
    /// All items of one file, block by block. Success means that everything in it was as it was
    /// written.
    Result<void> visit_file(std::uint32_t file, const BlockVisitor& visitor) const;
    /// The same without handing anything over.
    Result<void> check_file(std::uint32_t file) const;
    /// All files one after the other.
    Result<void> visit_all(const BlockVisitor& visitor) const;

    /// Rows [from, from + rows) in the order of writing, files in order, as far as they exist;
    /// blocks before `from` are skipped unread. Only what is handed over has been checked against
    /// its checksum. The visitor gets one row at a time and ends the page by returning false (the
    /// row it returned false for counts as taken). Returns the number of rows handed over. from
    /// beyond the last row: none.
    Result<std::uint64_t> read_rows(std::uint64_t from, std::uint64_t rows,
                                    const std::function<bool(const Item&)>& visitor) const;

 private:
    /// How far read_rows has come.
    struct Page {
        std::uint64_t skip = 0;
        std::uint64_t left = 0;
        std::uint64_t taken = 0;
    };

    SnapshotReader(uring::FileSystem& fs, std::string path, Manifest manifest,
                   const ReaderOptions& options);
    Result<void> check_files() const;
    Result<void> read_page(std::uint32_t file, Page& page,
                           const std::function<bool(const Item&)>& visitor) const;
    std::string file_path(std::uint32_t file) const;

    uring::FileSystem& fs_;
    const std::string path_;
    const Manifest manifest_;
    const ReaderOptions options_;
};

}  // namespace shardmill::snapshot
