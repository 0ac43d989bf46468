#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/memory_file_system.h"
#include "uring/file.h"

namespace shardmill::testing {

/// One thing that was done to a file system.
struct FileOperation {
    enum class Kind : std::uint8_t {
        Create,
        MakeDirectory,
        Write,
        Rename,
        Unlink,
        RemoveDirectory,
        Sync,
        SyncDirectory,
    };
    Kind kind = Kind::Create;
    std::string path;
    std::string to{};          // Rename
    std::uint64_t offset = 0;  // Write
    std::string bytes{};       // Write
};

/// Does what it is told in another file system and writes it down.
class RecordingFileSystem final : public uring::FileSystem {
 public:
    explicit RecordingFileSystem(MemoryFileSystem& files) : files_(files) {}

    const std::vector<FileOperation>& log() const noexcept { return log_; }

    uring::FileResult<std::unique_ptr<uring::File>> open(const std::string& path) override;
    uring::FileResult<std::unique_ptr<uring::File>> create(const std::string& path) override;
    uring::FileResult<void> rename(const std::string& from, const std::string& to) override;
    uring::FileResult<void> unlink(const std::string& path) override;
    uring::FileResult<void> make_directory(const std::string& path) override;
    uring::FileResult<void> remove_directory(const std::string& path) override;
    uring::FileResult<void> sync_directory(const std::string& path) override;
    uring::FileResult<std::vector<uring::DirectoryEntry>> list(const std::string& path) override;
    uring::FileResult<std::optional<uring::FileInfo>> stat(const std::string& path) override;
    uring::FileResult<std::unique_ptr<uring::FileLock>> lock(const std::string& path) override;

 private:
    friend class RecordingFile;
    MemoryFileSystem& files_;
    std::vector<FileOperation> log_;
};

/// Calls `check` for states that a file system may be in when the power fails after the first
/// `done` operations of `log`, which began in the state that `start` makes. What was synced is
/// there. Of the names that were not (created, renamed, removed) any may be missing, whatever came
/// before or after: none, all, each alone, and all but each. The same for writes that were not
/// synced, which may also be torn in the middle.
void for_each_crash_state(const std::vector<FileOperation>& log, std::size_t done,
                          const std::function<void(MemoryFileSystem&)>& start,
                          const std::function<void(MemoryFileSystem&)>& check);

}  // namespace shardmill::testing
