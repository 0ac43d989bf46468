#include "support/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace shardmill::testing {

using uring::FileResult;

namespace {

std::unexpected<uring::FileError> failure(const char* action, const std::string& path, int code) {
    return std::unexpected(uring::make_file_error(action, path, code));
}

class MemoryLock final : public uring::FileLock {};

/// Hands one lock to its one owner while the file system watches it.
class LockHandle final : public uring::FileLock {
 public:
    explicit LockHandle(std::shared_ptr<uring::FileLock> lock) : lock_(std::move(lock)) {}

 private:
    std::shared_ptr<uring::FileLock> lock_;
};

}  // namespace

class MemoryFile final : public uring::File {
 public:
    MemoryFile(MemoryFileSystem& fs, std::string path, MemoryFileSystem::NodePtr node)
        : File(std::move(path)), fs_(fs), node_(std::move(node)) {}

    FileResult<std::uint64_t> size() const override {
        const std::lock_guard lock(fs_.mutex_);
        return node_->bytes.size();
    }
    FileResult<void> sync() override {
        const std::lock_guard lock(fs_.mutex_);
        if (auto result = fs_.operation("sync", path()); !result) return result;
        node_->synced_bytes = node_->bytes;
        return {};
    }
    FileResult<void> sync_data() override { return sync(); }
    std::unique_ptr<uring::WriteQueue> write_queue(unsigned slots) override;

 protected:
    friend class MemoryWriteQueue;
    FileResult<std::size_t> write_some_at(std::uint64_t offset,
                                          std::span<const char> bytes) override {
        const std::lock_guard lock(fs_.mutex_);
        if (auto result = fs_.operation("write", path()); !result) {
            return std::unexpected(result.error());
        }
        const std::size_t count = std::min(bytes.size(), fs_.transfer_max_);
        if (node_->bytes.size() < offset + count) node_->bytes.resize(offset + count);
        std::ranges::copy(bytes.first(count), node_->bytes.begin() + static_cast<long>(offset));
        return count;
    }
    FileResult<std::size_t> read_some_at(std::uint64_t offset, std::span<char> out) const override {
        const std::lock_guard lock(fs_.mutex_);
        if (offset >= node_->bytes.size()) return std::size_t{0};
        const std::size_t count =
            std::min({out.size(), node_->bytes.size() - offset, fs_.transfer_max_});
        std::copy_n(node_->bytes.begin() + static_cast<long>(offset), count, out.begin());
        return count;
    }

 private:
    MemoryFileSystem& fs_;
    const MemoryFileSystem::NodePtr node_;
};

/// Nothing is written before somebody waits, and then what came last is written first.
class MemoryWriteQueue final : public uring::WriteQueue {
 public:
    MemoryWriteQueue(MemoryFile& file, unsigned slots)
        : WriteQueue(file.path(), slots), file_(file), results_(slots) {}

 protected:
    void begin(unsigned slot, std::uint64_t offset, std::span<const char> bytes) override {
        begun_.push_back({slot, offset, bytes});
    }
    FileResult<std::size_t> end(unsigned slot) override {
        for (; !begun_.empty(); begun_.pop_back()) {
            const Begun& last = begun_.back();
            results_[last.slot] = file_.write_some_at(last.offset, last.bytes);
        }
        return std::exchange(results_[slot], std::size_t{0});
    }

 private:
    struct Begun {
        unsigned slot;
        std::uint64_t offset;
        std::span<const char> bytes;
    };
    MemoryFile& file_;
    std::vector<Begun> begun_;
    std::vector<FileResult<std::size_t>> results_;
};

std::unique_ptr<uring::WriteQueue> MemoryFile::write_queue(unsigned slots) {
    return std::make_unique<MemoryWriteQueue>(*this, slots);
}

MemoryFileSystem::NodePtr MemoryFileSystem::Place::node() const {
    if (directory == nullptr) return nullptr;
    const auto found = directory->entries.find(name);
    return found == directory->entries.end() ? nullptr : found->second;
}

MemoryFileSystem::MemoryFileSystem() : root_(std::make_shared<Node>()) {
    root_->is_directory = true;
    root_->changed();
}

MemoryFileSystem::~MemoryFileSystem() = default;

void MemoryFileSystem::fail_at(std::uint64_t n, int code) {
    const std::lock_guard lock(mutex_);
    fail_first_ = fail_last_ = n;
    only_.clear();
    code_ = code;
}

void MemoryFileSystem::fail_from(std::uint64_t n, int code, std::string only) {
    const std::lock_guard lock(mutex_);
    only_ = std::move(only);
    fail_first_ = n;
    fail_last_ = ~std::uint64_t{0};
    code_ = code;
}

void MemoryFileSystem::shorten_transfers(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    transfer_max_ = bytes;
}

void MemoryFileSystem::clear_faults() {
    const std::lock_guard lock(mutex_);
    fail_first_ = ~std::uint64_t{0};
    fail_last_ = 0;
    only_.clear();
    transfer_max_ = ~std::size_t{0};
}

std::uint64_t MemoryFileSystem::operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
}

std::string MemoryFileSystem::failed_operation() const {
    const std::lock_guard lock(mutex_);
    return failed_operation_;
}

FileResult<void> MemoryFileSystem::operation(const char* what, const std::string& path) {
    const std::uint64_t n = operations_++;
    if (n < fail_first_ || n > fail_last_ || (!only_.empty() && only_ != what)) return {};
    if (failed_operation_.empty()) failed_operation_ = std::string(what) + " " + path;
    return failure(what, path, code_);
}

void MemoryFileSystem::power_cut(std::uint64_t seed) {
    clear_faults();
    const std::lock_guard lock(mutex_);
    std::mt19937_64 random(seed);
    forget(*root_, random);
    locks_.clear();
}

void MemoryFileSystem::forget(Node& node, std::mt19937_64& random) {
    if (!node.is_directory) {
        switch (random() % 4) {
            case 0:
                node.bytes = node.synced_bytes;
                break;
            case 1:
                break;  // all of it made it
            case 2:     // the length did, some of the data did not
                for (std::size_t at = node.synced_bytes.size(); at < node.bytes.size(); ++at) {
                    if (random() % 2 == 0) node.bytes[at] = '\0';
                }
                break;
            default:  // a part
                if (node.bytes.size() > node.synced_bytes.size()) {
                    const std::size_t extra = node.bytes.size() - node.synced_bytes.size();
                    node.bytes.resize(node.synced_bytes.size() + random() % (extra + 1));
                }
        }
        node.synced_bytes = node.bytes;
        return;
    }
    node.entries = node.history[random() % node.history.size()];
    node.history.clear();
    node.changed();
    for (auto& [name, child] : node.entries) forget(*child, random);
}

std::string MemoryFileSystem::contents(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const NodePtr node = find(path);
    if (node == nullptr) throw std::runtime_error("no file " + path);
    return node->bytes;
}

void MemoryFileSystem::set_contents(const std::string& path, std::string bytes) {
    const std::lock_guard lock(mutex_);
    const Place where = place(path);
    NodePtr node = where.node();
    if (node == nullptr) {
        if (where.directory == nullptr) throw std::runtime_error("no directory for " + path);
        node = std::make_shared<Node>();
        where.directory->entries[where.name] = node;
        where.directory->changed();
    }
    node->bytes = node->synced_bytes = std::move(bytes);
}

void MemoryFileSystem::collect(const Node& node, const std::string& path,
                               std::vector<std::string>& out) {
    for (const auto& [name, child] : node.entries) {
        const std::string child_path = path + "/" + name;
        out.push_back(child->is_directory ? child_path + "/" : child_path);
        collect(*child, child_path, out);
    }
}

std::vector<std::string> MemoryFileSystem::tree() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> paths;
    collect(*root_, "", paths);
    std::ranges::sort(paths);
    return paths;
}

MemoryFileSystem::NodePtr MemoryFileSystem::find(const std::string& path) const {
    NodePtr node = root_;
    std::size_t at = 1;
    while (at < path.size()) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const auto found = node->entries.find(path.substr(at, end - at));
        if (found == node->entries.end()) return nullptr;
        node = found->second;
        at = end + 1;
    }
    return node;
}

MemoryFileSystem::Place MemoryFileSystem::place(const std::string& path) const {
    const std::size_t slash = path.rfind('/');
    const NodePtr directory = find(slash == 0 ? "/" : path.substr(0, slash));
    if (directory == nullptr || !directory->is_directory) return {};
    return {.directory = directory, .name = path.substr(slash + 1)};
}

FileResult<std::unique_ptr<uring::File>> MemoryFileSystem::open(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const NodePtr node = find(path);
    if (node == nullptr) return failure("open", path, ENOENT);
    return std::make_unique<MemoryFile>(*this, path, node);
}

FileResult<std::unique_ptr<uring::File>> MemoryFileSystem::create(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto result = operation("create", path); !result) return std::unexpected(result.error());
    const Place where = place(path);
    if (where.directory == nullptr) return failure("create", path, ENOENT);
    if (where.node() != nullptr) return failure("create", path, EEXIST);
    const auto node = std::make_shared<Node>();
    where.directory->entries[where.name] = node;
    where.directory->changed();
    return std::make_unique<MemoryFile>(*this, path, node);
}

FileResult<void> MemoryFileSystem::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    if (auto result = operation("rename", from); !result) return result;
    const Place source = place(from);
    const Place target = place(to);
    if (source.node() == nullptr) return failure("rename", from, ENOENT);
    if (source.directory != target.directory) {
        throw std::runtime_error("rename between directories is not modelled");
    }
    const NodePtr in_the_way = target.node();
    if (in_the_way != nullptr && in_the_way->is_directory && !in_the_way->entries.empty()) {
        return failure("rename", to, ENOTEMPTY);
    }
    target.directory->entries[target.name] = source.node();
    source.directory->entries.erase(source.name);
    source.directory->changed();
    return {};
}

FileResult<void> MemoryFileSystem::unlink(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto result = operation("unlink", path); !result) return result;
    const Place where = place(path);
    if (where.node() == nullptr) return failure("remove", path, ENOENT);
    if (where.node()->is_directory) return failure("remove", path, EISDIR);
    where.directory->entries.erase(where.name);
    where.directory->changed();
    return {};
}

FileResult<void> MemoryFileSystem::make_directory(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto result = operation("make directory", path); !result) return result;
    const Place where = place(path);
    if (where.directory == nullptr) return failure("make directory", path, ENOENT);
    if (where.node() != nullptr) return failure("make directory", path, EEXIST);
    const auto node = std::make_shared<Node>();
    node->is_directory = true;
    node->changed();
    where.directory->entries[where.name] = node;
    where.directory->changed();
    return {};
}

FileResult<void> MemoryFileSystem::remove_directory(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto result = operation("remove directory", path); !result) return result;
    const Place where = place(path);
    if (where.node() == nullptr) return failure("remove directory", path, ENOENT);
    if (!where.node()->entries.empty()) return failure("remove directory", path, ENOTEMPTY);
    where.directory->entries.erase(where.name);
    where.directory->changed();
    return {};
}

FileResult<void> MemoryFileSystem::sync_directory(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto result = operation("sync directory", path); !result) return result;
    const NodePtr node = find(path);
    if (node == nullptr) return failure("sync directory", path, ENOENT);
    node->history.clear();
    node->changed();
    return {};
}

FileResult<std::vector<uring::DirectoryEntry>> MemoryFileSystem::list(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const NodePtr node = find(path);
    if (node == nullptr) return failure("list directory", path, ENOENT);
    std::vector<uring::DirectoryEntry> entries;
    for (const auto& [name, child] : node->entries) {
        entries.push_back({.name = name, .is_directory = child->is_directory});
    }
    return entries;
}

FileResult<std::optional<uring::FileInfo>> MemoryFileSystem::stat(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const NodePtr node = find(path);
    if (node == nullptr) return std::nullopt;
    return uring::FileInfo{.is_directory = node->is_directory, .bytes = node->bytes.size()};
}

FileResult<std::unique_ptr<uring::FileLock>> MemoryFileSystem::lock(const std::string& path) {
    const std::lock_guard guard(mutex_);
    const Place where = place(path);
    if (where.directory == nullptr) return failure("lock", path, ENOENT);
    if (where.node() == nullptr) {
        where.directory->entries[where.name] = std::make_shared<Node>();
        where.directory->changed();
    }
    std::weak_ptr<uring::FileLock>& held = locks_[path];
    if (!held.expired()) return failure("lock", path, EWOULDBLOCK);
    const auto lock = std::make_shared<MemoryLock>();
    held = lock;
    return std::make_unique<LockHandle>(lock);
}

}  // namespace shardmill::testing
