#include "support/operation_log.h"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

namespace shardmill::testing {

using uring::FileResult;
using Kind = FileOperation::Kind;

class RecordingFile final : public uring::File {
 public:
    RecordingFile(RecordingFileSystem& owner, std::unique_ptr<uring::File> file)
        : File(file->path()), owner_(owner), file_(std::move(file)) {}

    FileResult<std::uint64_t> size() const override { return file_->size(); }
    FileResult<void> sync() override {
        owner_.log_.push_back({.kind = Kind::Sync, .path = path()});
        return file_->sync();
    }
    FileResult<void> sync_data() override { return sync(); }

 protected:
    FileResult<std::size_t> write_some_at(std::uint64_t offset,
                                          std::span<const char> bytes) override {
        owner_.log_.push_back({.kind = Kind::Write,
                               .path = path(),
                               .offset = offset,
                               .bytes = {bytes.begin(), bytes.end()}});
        if (auto written = file_->write_at(offset, bytes); !written) {
            return std::unexpected(written.error());
        }
        return bytes.size();
    }
    FileResult<std::size_t> read_some_at(std::uint64_t offset, std::span<char> out) const override {
        return file_->read_at(offset, out);
    }

 private:
    RecordingFileSystem& owner_;
    const std::unique_ptr<uring::File> file_;
};

FileResult<std::unique_ptr<uring::File>> RecordingFileSystem::open(const std::string& path) {
    return files_.open(path);
}
FileResult<std::unique_ptr<uring::File>> RecordingFileSystem::create(const std::string& path) {
    log_.push_back({.kind = Kind::Create, .path = path});
    auto file = files_.create(path);
    if (!file) return file;
    return std::make_unique<RecordingFile>(*this, std::move(*file));
}
FileResult<void> RecordingFileSystem::rename(const std::string& from, const std::string& to) {
    log_.push_back({.kind = Kind::Rename, .path = from, .to = to});
    return files_.rename(from, to);
}
FileResult<void> RecordingFileSystem::unlink(const std::string& path) {
    log_.push_back({.kind = Kind::Unlink, .path = path});
    return files_.unlink(path);
}
FileResult<void> RecordingFileSystem::make_directory(const std::string& path) {
    log_.push_back({.kind = Kind::MakeDirectory, .path = path});
    return files_.make_directory(path);
}
FileResult<void> RecordingFileSystem::remove_directory(const std::string& path) {
    log_.push_back({.kind = Kind::RemoveDirectory, .path = path});
    return files_.remove_directory(path);
}
FileResult<void> RecordingFileSystem::sync_directory(const std::string& path) {
    log_.push_back({.kind = Kind::SyncDirectory, .path = path});
    return files_.sync_directory(path);
}
FileResult<std::vector<uring::DirectoryEntry>> RecordingFileSystem::list(const std::string& path) {
    return files_.list(path);
}
FileResult<std::optional<uring::FileInfo>> RecordingFileSystem::stat(const std::string& path) {
    return files_.stat(path);
}
FileResult<std::unique_ptr<uring::FileLock>> RecordingFileSystem::lock(const std::string& path) {
    return files_.lock(path);
}

namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// What becomes of an operation that was not synced.
enum class Fate : std::uint8_t { Done, Lost, Torn };

/// Is what the operation did on disk for certain, because of a sync among those behind it?
bool is_synced(std::span<const FileOperation> log, std::size_t at) {
    const FileOperation& operation = log[at];
    std::string file = operation.path;  // writes follow their file to another name
    for (std::size_t later = at + 1; later < log.size(); ++later) {
        const FileOperation& next = log[later];
        if (operation.kind == Kind::Write) {
            if (next.kind == Kind::Sync && next.path == file) return true;
            if (next.kind == Kind::Rename && next.path == file) file = next.to;
        } else if (next.kind == Kind::SyncDirectory && next.path == parent_of(operation.path)) {
            return true;
        }
    }
    return operation.kind == Kind::Sync || operation.kind == Kind::SyncDirectory;
}

/// A name that is missing takes along what depends on it; what then has no place is left out.
void replay(MemoryFileSystem& files, const FileOperation& operation, Fate fate,
            std::map<std::string, std::string>& lost_renames) {
    const auto path_now = [&](const std::string& path) {
        const auto still = lost_renames.find(path);
        return still == lost_renames.end() ? path : still->second;
    };
    switch (operation.kind) {
        case Kind::Create:
        case Kind::MakeDirectory:
            if (fate != Fate::Done) return;
            if (operation.kind == Kind::MakeDirectory) {
                (void)files.make_directory(operation.path);
            } else {
                (void)files.create(operation.path);
            }
            return;
        case Kind::Rename:
            if (fate == Fate::Done) {
                (void)files.rename(path_now(operation.path), operation.to);
            } else {
                lost_renames[operation.to] = path_now(operation.path);
            }
            return;
        case Kind::Unlink:
            if (fate == Fate::Done) (void)files.unlink(path_now(operation.path));
            return;
        case Kind::RemoveDirectory:
            if (fate == Fate::Done) (void)files.remove_directory(operation.path);
            return;
        case Kind::Write: {
            if (fate == Fate::Lost) return;
            const std::string path = path_now(operation.path);
            if (const auto there = files.stat(path); !there || !*there) return;
            std::string bytes = files.contents(path);
            const std::size_t count =
                fate == Fate::Torn ? operation.bytes.size() / 2 : operation.bytes.size();
            bytes.resize(std::max<std::size_t>(bytes.size(), operation.offset + count));
            bytes.replace(operation.offset, count, operation.bytes, 0, count);
            files.set_contents(path, std::move(bytes));
            return;
        }
        case Kind::Sync:
        case Kind::SyncDirectory:
            return;
    }
}

}  // namespace

void for_each_crash_state(const std::vector<FileOperation>& log, std::size_t done,
                          const std::function<void(MemoryFileSystem&)>& start,
                          const std::function<void(MemoryFileSystem&)>& check) {
    const std::span<const FileOperation> happened = std::span(log).first(done);
    std::vector<std::size_t> open;  // operations that were not synced
    for (std::size_t at = 0; at < done; ++at) {
        if (!is_synced(happened, at)) open.push_back(at);
    }
    std::set<std::vector<Fate>> fates;
    const auto all = [&](Fate fate) { return std::vector<Fate>(open.size(), fate); };
    for (const Fate rest : {Fate::Done, Fate::Lost}) {
        fates.insert(all(rest));
        for (std::size_t one = 0; one < open.size(); ++one) {
            for (const Fate fate : {Fate::Done, Fate::Lost, Fate::Torn}) {
                if (fate == Fate::Torn && log[open[one]].kind != Kind::Write) continue;
                std::vector<Fate> some = all(rest);
                some[one] = fate;
                fates.insert(some);
            }
        }
    }
    for (const std::vector<Fate>& chosen : fates) {
        MemoryFileSystem files;
        start(files);
        std::map<std::string, std::string> lost_renames;
        for (std::size_t at = 0; at < done; ++at) {
            const auto found = std::ranges::find(open, at);
            const Fate fate =
                found == open.end()
                    ? Fate::Done
                    : chosen[static_cast<std::size_t>(std::distance(open.begin(), found))];
            replay(files, log[at], fate, lost_renames);
        }
        check(files);
    }
}

}  // namespace shardmill::testing
