#pragma once

#include <cstdint>
#include <vector>

#include "snapshot/reader.h"

namespace shardmill::snapshot {

/// Reads several files of a snapshot side by side: always a block of the one that is furthest
/// behind. Each file has its items in the order in which eviction would have taken them, so that
/// all of them together come in about that order. One thread. Holds memory for a block of each
/// file.
class SideBySide {
 public:
    /// The reader outlives it.
    explicit SideBySide(const SnapshotReader& reader) : reader_(reader) {}

    /// Adds a file, without the first `share` (0 to 1) of its items, as far as whole blocks can be
    /// left out unread. Returns how many items that were. All files are added before the first
    /// `step`.
    Result<std::uint64_t> add(std::uint32_t file, double share = 0);

    bool empty() const noexcept { return files_.empty(); }

    /// Hands over a block, or checks the totals of a file that is through.
    Result<void> step(const BlockVisitor& visitor);

 private:
    struct File {
        FileVisit visit;
        std::uint64_t items;
        double share_passed() const noexcept;
    };
    const SnapshotReader& reader_;
    std::vector<File> files_;
};

}  // namespace shardmill::snapshot
