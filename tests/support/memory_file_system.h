#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "uring/file.h"

namespace shardmill::testing {

/// Files in memory that fail on command and forget on a power cut what was not synced. Paths are
/// absolute; "/" is there from the start. Thread-safe.
///
/// Every call that changes something (create, each write, sync, rename, unlink, make and remove
/// directory, sync directory) is one operation; operations are counted from 0.
class MemoryFileSystem final : public uring::FileSystem {
 public:
    MemoryFileSystem();
    ~MemoryFileSystem() override;

    // Faults.
    /// Operation `n` fails with `code` and changes nothing.
    void fail_at(std::uint64_t n, int code);
    /// All operations from `n` on do: the process is as good as dead. With `only` ("sync
    /// directory"), all of that kind.
    void fail_from(std::uint64_t n, int code, std::string only = {});
    /// Writes move at most this many bytes at once, reads too.
    void shorten_transfers(std::size_t bytes);
    void clear_faults();
    /// Operations so far.
    std::uint64_t operations() const;
    /// The first one that was made to fail, for messages.
    std::string failed_operation() const;

    /// The power fails: of what was not synced, names and contents, any part may be there. Faults
    /// are cleared, locks gone.
    void power_cut(std::uint64_t seed);

    // For looking and damaging behind the code's back.
    std::string contents(const std::string& path) const;
    void set_contents(const std::string& path, std::string bytes);
    /// Full paths of all files and directories (these end in '/'), sorted.
    std::vector<std::string> tree() const;

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
    friend class MemoryFile;
    struct Node;
    using NodePtr = std::shared_ptr<Node>;
    using Entries = std::map<std::string, NodePtr>;
    struct Node {
        bool is_directory = false;
        std::string bytes;  // files
        std::string synced_bytes;
        Entries entries;               // directories
        std::vector<Entries> history;  // as it was after the last sync and after every change since
        void changed() { history.push_back(entries); }
    };
    struct Place {
        NodePtr directory;
        std::string name;
        NodePtr node() const;
    };

    uring::FileResult<void> operation(const char* what, const std::string& path);
    NodePtr find(const std::string& path) const;
    Place place(const std::string& path) const;
    static void forget(Node& node, std::mt19937_64& random);
    static void collect(const Node& node, const std::string& path, std::vector<std::string>& out);

    mutable std::mutex mutex_;
    NodePtr root_;
    std::map<std::string, std::weak_ptr<uring::FileLock>> locks_;
    std::uint64_t operations_ = 0;
    std::uint64_t fail_first_ = ~std::uint64_t{0};
    std::uint64_t fail_last_ = 0;
    int code_ = 0;
    std::string only_;
    std::size_t transfer_max_ = ~std::size_t{0};
    std::string failed_operation_;
};

}  // namespace shardmill::testing
