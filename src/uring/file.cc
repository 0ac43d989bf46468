#include "uring/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "base/assert.h"

namespace shardmill::uring {

namespace {

std::string_view advice(int code) noexcept {
    switch (code) {
        case ENOSPC:
            return "free some space on that file system or use a directory on another one";
        case EDQUOT:
            return "the disk quota is used up: raise it or use another directory";
        case EACCES:
        case EPERM:
            return "give the user the server runs as the right to read and write there, or use "
                   "another directory";
        case EROFS:
            return "the file system is mounted read-only: remount it for writing or use another "
                   "directory";
        case ENOENT:
            return "check that the directory exists and is mounted";
        case ENOTDIR:
            return "a part of the path is a file: use another directory";
        case EEXIST:
        case ENOTEMPTY:
            return "something of that name is there already: move it away";
        case EMFILE:
        case ENFILE:
            return "too many files are open: raise the limit (ulimit -n)";
        case EWOULDBLOCK:
            return "another process holds the lock: stop it or use another directory";
        case EFBIG:
            return "raise the file size limit (ulimit -f) or use another file system";
        case EIO:
            return "the device reports an error: check it and the kernel log";
        default:
            return {};
    }
}

}  // namespace

/// Writes when it is waited for.
class SteppingWriteQueue final : public WriteQueue {
 public:
    SteppingWriteQueue(File& file, unsigned slots)
        : WriteQueue(file.path(), slots), file_(file), begun_(slots) {}

 protected:
    void begin(unsigned slot, std::uint64_t offset, std::span<const char> bytes) override {
        begun_[slot] = {offset, bytes};
    }
    FileResult<std::size_t> end(unsigned slot) override {
        return file_.write_some_at(begun_[slot].first, begun_[slot].second);
    }

 private:
    File& file_;
    std::vector<std::pair<std::uint64_t, std::span<const char>>> begun_;
};

FileError make_file_error(std::string_view action, std::string_view path, int code) {
    if (code == 0) code = EIO;
    std::string what =
        fmt::format("cannot {} {}: {}", action, path, std::generic_category().message(code));
    if (const std::string_view hint = advice(code); !hint.empty())
        what += fmt::format("; {}", hint);
    return {.code = code, .what = std::move(what)};
}

void WriteQueue::start(unsigned slot, std::uint64_t offset, std::span<const char> bytes) {
    SHARDMILL_ASSERT(writes_[slot].bytes.empty());
    if (bytes.empty()) return;
    writes_[slot] = {offset, bytes};
    begin(slot, offset, bytes);
}

FileResult<void> WriteQueue::wait(unsigned slot) {
    Write& write = writes_[slot];
    while (!write.bytes.empty()) {
        const FileResult<std::size_t> written = end(slot);
        if (!written || *written == 0) {
            write.bytes = {};
            // None written and no error is never seen, but going round for ever would be worse.
            return std::unexpected(written ? make_file_error("write", path_, EIO)
                                           : written.error());
        }
        write.offset += *written;
        write.bytes = write.bytes.subspan(*written);
        if (!write.bytes.empty()) begin(slot, write.offset, write.bytes);
    }
    return {};
}

std::unique_ptr<WriteQueue> File::write_queue(unsigned slots) {
    return std::make_unique<SteppingWriteQueue>(*this, slots);
}

FileResult<void> File::append(std::span<const char> bytes) {
    const FileResult<void> result = write_at(append_offset_, bytes);
    if (result) append_offset_ += bytes.size();
    return result;
}

FileResult<void> File::write_at(std::uint64_t offset, std::span<const char> bytes) {
    while (!bytes.empty()) {
        const FileResult<std::size_t> written = write_some_at(offset, bytes);
        if (!written) return std::unexpected(written.error());
        // Never seen for regular files, but going round for ever would be worse than an error.
        if (*written == 0) return std::unexpected(make_file_error("write", path_, EIO));
        offset += *written;
        bytes = bytes.subspan(*written);
    }
    return {};
}

FileResult<std::size_t> File::read(std::span<char> out) {
    const FileResult<std::size_t> result = read_at(read_offset_, out);
    if (result) read_offset_ += *result;
    return result;
}

FileResult<std::size_t> File::read_at(std::uint64_t offset, std::span<char> out) const {
    std::size_t total = 0;
    while (total < out.size()) {
        const FileResult<std::size_t> count = read_some_at(offset + total, out.subspan(total));
        if (!count) return count;
        if (*count == 0) break;
        total += *count;
    }
    return total;
}

}  // namespace shardmill::uring
