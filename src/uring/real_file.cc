#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "uring/file.h"
#include "uring/ring_write_queue.h"

namespace shardmill::uring {

namespace {

constexpr mode_t kFileMode = 0640;  // a cache may hold what not everybody should read
constexpr mode_t kDirectoryMode = 0750;

/// The kernel moves at most a little under 2 GiB at once.
constexpr std::size_t kTransferMax = 1u << 30;

/// After this many bytes written-back is started, and what was started one window earlier is waited
/// for and dropped from the page cache: a save then neither fills memory with dirty pages nor pays
/// for all of them in one sync.
constexpr std::uint64_t kWritebackWindow = 8u << 20;

std::unexpected<FileError> failure(std::string_view action, const std::string& path) {
    return std::unexpected(make_file_error(action, path, errno));
}

/// Repeats a call that a signal interrupted.
template <typename Call>
auto retried(Call&& call) noexcept {
    decltype(call()) result;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

class Descriptor {
 public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const noexcept { return fd_; }

 private:
    const int fd_;
};

class RealFile final : public File {
 public:
    /// `direct_fd`: the same file opened with O_DIRECT, -1 where there is no such thing.
    RealFile(std::string path, int fd, int direct_fd)
        : File(std::move(path)), fd_(fd), direct_fd_(direct_fd) {}

    FileResult<std::uint64_t> size() const override {
        struct stat info{};
        if (::fstat(fd_.get(), &info) != 0) return failure("look at", path());
        return static_cast<std::uint64_t>(info.st_size);
    }

    std::unique_ptr<WriteQueue> write_queue(unsigned slots) override {
        auto queue = RingWriteQueue::open(
            path(), slots,
            {.fd = fd_.get(),
             .direct_fd = direct_fd_.get(),
             .cached = [this](auto offset, auto bytes) { keep_writing_back(offset, bytes); }});
        return queue ? std::move(queue) : File::write_queue(slots);
    }

    FileResult<void> sync() override {
        if (retried([this] { return ::fsync(fd_.get()); }) != 0) return failure("sync", path());
        return {};
    }

    FileResult<void> sync_data() override {
        if (retried([this] { return ::fdatasync(fd_.get()); }) != 0) return failure("sync", path());
        return {};
    }

 protected:
    FileResult<std::size_t> write_some_at(std::uint64_t offset,
                                          std::span<const char> bytes) override {
        bytes = bytes.first(std::min(bytes.size(), kTransferMax));
        if (direct_fd_.get() >= 0 && fits_direct(offset, bytes)) {
            const ssize_t written = write_to(direct_fd_.get(), offset, bytes);
            if (written >= 0) return static_cast<std::size_t>(written);
            if (errno != EINVAL) return failure("write", path());
        }
        const ssize_t written = write_to(fd_.get(), offset, bytes);
        if (written < 0) return failure("write", path());
        keep_writing_back(offset, static_cast<std::uint64_t>(written));
        return static_cast<std::size_t>(written);
    }

    FileResult<std::size_t> read_some_at(std::uint64_t offset, std::span<char> out) const override {
        const std::size_t count = std::min(out.size(), kTransferMax);
        const ssize_t got = retried(
            [&] { return ::pread(fd_.get(), out.data(), count, static_cast<off_t>(offset)); });
        if (got < 0) return failure("read", path());
        return static_cast<std::size_t>(got);
    }

 private:
    static ssize_t write_to(int fd, std::uint64_t offset, std::span<const char> bytes) noexcept {
        return retried(
            [&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    }

    /// For sequential writing only. Errors are left for sync to report: the kernel keeps them.
    void keep_writing_back(std::uint64_t offset, std::uint64_t bytes) noexcept {
        if (offset != sequential_end_) return;
        sequential_end_ += bytes;
        while (sequential_end_ - writeback_ >= kWritebackWindow) {
            const auto start = static_cast<off_t>(writeback_);
            const auto window = static_cast<off_t>(kWritebackWindow);
            ::sync_file_range(fd_.get(), start, window, SYNC_FILE_RANGE_WRITE);
            if (start >= window) {
                ::sync_file_range(fd_.get(), start - window, window,
                                  SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                      SYNC_FILE_RANGE_WAIT_AFTER);
                ::posix_fadvise(fd_.get(), start - window, window, POSIX_FADV_DONTNEED);
            }
            writeback_ += kWritebackWindow;
        }
    }

    Descriptor fd_;
    Descriptor direct_fd_;
    std::uint64_t sequential_end_ = 0;
    std::uint64_t writeback_ = 0;
};

class RealLock final : public FileLock {
 public:
    explicit RealLock(int fd) : fd_(fd) {}

 private:
    Descriptor fd_;  // closing it releases the lock
};

class RealFileSystem final : public FileSystem {
 public:
    FileResult<std::unique_ptr<File>> open(const std::string& path) override {
        const int fd = retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
        if (fd < 0) return failure("open", path);
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return std::make_unique<RealFile>(path, fd, -1);
    }

    FileResult<std::unique_ptr<File>> create(const std::string& path) override {
        const int fd = retried(
            [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode); });
        if (fd < 0) return failure("create", path);
        const int direct_fd =
            retried([&] { return ::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); });
        return std::make_unique<RealFile>(path, fd, direct_fd);
    }

    FileResult<void> rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) return failure("rename " + from + " to", to);
        return {};
    }

    FileResult<void> unlink(const std::string& path) override {
        if (::unlink(path.c_str()) != 0) return failure("remove", path);
        return {};
    }

    FileResult<void> make_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), kDirectoryMode) != 0) return failure("make directory", path);
        return {};
    }

    FileResult<void> remove_directory(const std::string& path) override {
        if (::rmdir(path.c_str()) != 0) return failure("remove directory", path);
        return {};
    }

    FileResult<void> sync_directory(const std::string& path) override {
        const Descriptor fd(
            retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
        if (fd.get() < 0) return failure("open directory", path);
        if (retried([&] { return ::fsync(fd.get()); }) != 0) return failure("sync directory", path);
        return {};
    }

    FileResult<std::vector<DirectoryEntry>> list(const std::string& path) override {
        const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
        if (directory == nullptr) return failure("list directory", path);
        std::vector<DirectoryEntry> entries;
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(directory.get());
            if (entry == nullptr) break;
            const std::string name = entry->d_name;
            if (name == "." || name == "..") continue;
            // d_type is not filled in by every file system.
            struct stat info{};
            if (::fstatat(::dirfd(directory.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) !=
                0) {
                if (errno == ENOENT) continue;  // removed meanwhile
                return failure("look at", path + "/" + name);
            }
            entries.push_back({.name = name, .is_directory = S_ISDIR(info.st_mode)});
        }
        if (errno != 0) return failure("list directory", path);
        std::ranges::sort(entries, {}, &DirectoryEntry::name);
        return entries;
    }

    FileResult<std::optional<FileInfo>> stat(const std::string& path) override {
        struct stat info{};
        if (::stat(path.c_str(), &info) != 0) {
            if (errno == ENOENT) return std::nullopt;
            return failure("look at", path);
        }
        return FileInfo{.is_directory = S_ISDIR(info.st_mode),
                        .bytes = static_cast<std::uint64_t>(info.st_size)};
    }

    FileResult<std::unique_ptr<FileLock>> lock(const std::string& path) override {
        const int fd =
            retried([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode); });
        if (fd < 0) return failure("open", path);
        auto lock = std::make_unique<RealLock>(fd);
        if (retried([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0) {
            return failure("lock", path);
        }
        return lock;
    }
};

}  // namespace

FileSystem& real_file_system() noexcept {
    static RealFileSystem file_system;
    return file_system;
}

}  // namespace shardmill::uring
