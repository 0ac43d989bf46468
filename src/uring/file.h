#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::uring {

/// What the operating system refused, in words that say which file and what to do about it.
struct FileError {
    int code = 0;  // an errno value; EIO where the operating system named none
    std::string what;
};

template <typename T>
using FileResult = std::expected<T, FileError>;

/// "cannot <action> <path>: <reason>; <advice>"
FileError make_file_error(std::string_view action, std::string_view path, int code);

/// Writes of one file that are on their way at the same time. One thread at a time, not always the
/// same one; does not outlive the file. The destructor waits for what is on its way.
///
/// As with File, short transfers are dealt with here; implementations provide `begin` and `end`.
class WriteQueue {
 public:
    explicit WriteQueue(std::string path, unsigned slots)
        : path_(std::move(path)), writes_(slots) {}
    virtual ~WriteQueue() = default;
    WriteQueue(const WriteQueue&) = delete;
    WriteQueue& operator=(const WriteQueue&) = delete;

    /// Starts to write `bytes`, which stay in place until `wait` has returned for the slot. It must
    /// be free: never used, or waited for.
    void start(unsigned slot, std::uint64_t offset, std::span<const char> bytes);
    /// Returns when all bytes of the slot are written, at once if it is free, or with the reason
    /// why they cannot be.
    FileResult<void> wait(unsigned slot);

 protected:
    virtual void begin(unsigned slot, std::uint64_t offset, std::span<const char> bytes) = 0;
    /// How many bytes of what was begun have been written; at least one unless it fails.
    virtual FileResult<std::size_t> end(unsigned slot) = 0;

    const std::string& path() const noexcept { return path_; }

 private:
    struct Write {
        std::uint64_t offset = 0;
        std::span<const char> bytes;
    };
    const std::string path_;
    std::vector<Write> writes_;  // by slot; without bytes: free
};

/// An open file. One thread at a time, except `read_at`, which any number of threads may call at
/// once. The destructor closes without reporting: what must be on disk is synced before.
///
/// Short transfers and interruptions are dealt with here, once; implementations only provide the
/// `_some` calls.
class File {
 public:
    virtual ~File() = default;

    /// Writes all bytes at the end of what was written so far, or reports why not (then the file's
    /// end is undefined).
    FileResult<void> append(std::span<const char> bytes);
    /// Writes all bytes at `offset`. Does not move the place where `append` goes on.
    FileResult<void> write_at(std::uint64_t offset, std::span<const char> bytes);

    /// For large pieces, `slots` of them on their way at a time; start them in the order of their
    /// offsets. Writes one after the other where the system has nothing better.
    virtual std::unique_ptr<WriteQueue> write_queue(unsigned slots);

    /// Goes on reading behind the last `read`. Fewer bytes than asked for: the file ended.
    FileResult<std::size_t> read(std::span<char> out);
    /// Fewer bytes than asked for: the file ended.
    FileResult<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const;

    virtual FileResult<std::uint64_t> size() const = 0;
    /// Data and metadata are on stable storage. After a failure the file must be given up: what a
    /// second call says means nothing.
    virtual FileResult<void> sync() = 0;
    /// The same without metadata that is not needed to read the data back.
    virtual FileResult<void> sync_data() = 0;

    const std::string& path() const noexcept { return path_; }

 protected:
    friend class SteppingWriteQueue;
    explicit File(std::string path) : path_(std::move(path)) {}

    /// May transfer fewer bytes than asked for, at least one unless it fails (or, for a read, the
    /// file ended).
    virtual FileResult<std::size_t> write_some_at(std::uint64_t offset,
                                                  std::span<const char> bytes) = 0;
    virtual FileResult<std::size_t> read_some_at(std::uint64_t offset,
                                                 std::span<char> out) const = 0;

 private:
    std::string path_;
    std::uint64_t append_offset_ = 0;
    std::uint64_t read_offset_ = 0;
};

/// Held as long as the object lives; the operating system releases it when the process dies.
class FileLock {
 public:
    virtual ~FileLock() = default;
};

struct FileInfo {
    bool is_directory = false;
    std::uint64_t bytes = 0;
};

struct DirectoryEntry {
    std::string name;
    bool is_directory = false;
};

/// The operating system's files as far as snapshots need them; replaced by a simulated one in
/// tests. Any thread but a reactor's: every call may block. Thread-safe.
class FileSystem {
 public:
    virtual ~FileSystem() = default;

    /// For reading; ENOENT if it is not there.
    virtual FileResult<std::unique_ptr<File>> open(const std::string& path) = 0;
    /// A new file for writing (and reading); EEXIST if the name is taken.
    virtual FileResult<std::unique_ptr<File>> create(const std::string& path) = 0;

    /// Atomic. A file in the way is replaced, a directory that is not empty is an error.
    virtual FileResult<void> rename(const std::string& from, const std::string& to) = 0;
    virtual FileResult<void> unlink(const std::string& path) = 0;
    virtual FileResult<void> make_directory(const std::string& path) = 0;
    /// Must be empty.
    virtual FileResult<void> remove_directory(const std::string& path) = 0;
    /// Names in the directory survive a crash from here on.
    virtual FileResult<void> sync_directory(const std::string& path) = 0;

    /// Without "." and "..", sorted by name.
    virtual FileResult<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
    /// nullopt: there is nothing of that name.
    virtual FileResult<std::optional<FileInfo>> stat(const std::string& path) = 0;

    /// Creates the file if needed and locks it; EWOULDBLOCK if somebody else holds it.
    virtual FileResult<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

/// The real one; lives as long as the process.
FileSystem& real_file_system() noexcept;

}  // namespace shardmill::uring
