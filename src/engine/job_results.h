#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compute/program.h"
#include "engine/job.h"
#include "snapshot/catalog.h"
#include "snapshot/item.h"

namespace shardmill::engine {

/// Where the rows of finished jobs are: on disk, each a committed result of the catalog, or without
/// one in memory.
class JobResults {
 public:
    /// `catalog` may be nullptr and outlives the object.
    explicit JobResults(snapshot::Catalog* catalog) noexcept : catalog_(catalog) {}

    bool on_disk() const noexcept { return catalog_ != nullptr; }

    /// Keeps a job's rows; on disk they are committed when it returns. `status` goes along. A
    /// worker thread; blocks on the disk. Unexpected: the reason, fit for an operator; nothing is
    /// kept then.
    std::expected<void, std::string> save(const JobStatus& status, std::vector<compute::Row> rows);

    /// One row; false ends the page behind it.
    using RowVisitor = std::function<bool(const snapshot::Item& row)>;

    /// Rows [from, from + rows) in order, as far as they exist. Returns how many were handed over.
    /// Control thread; blocks on the disk.
    std::expected<std::uint64_t, std::string> read(const JobStatus& status, std::uint64_t from,
                                                   std::uint64_t rows,
                                                   const RowVisitor& visitor) const;

    /// Forgets a result. Control thread.
    std::expected<void, std::string> remove(const JobStatus& status);

    /// What is on disk from before, oldest first. Damaged ones are reported on the log and left
    /// alone. Control thread, at start.
    std::vector<JobStatus> load_history() const;

    /// Of the rows kept in memory.
    std::uint64_t memory_bytes() const;

 private:
    struct InMemory {
        std::vector<compute::Row> rows;
        std::uint64_t bytes = 0;
    };

    std::expected<void, std::string> save_to_disk(const JobStatus& status,
                                                  const std::vector<compute::Row>& rows);

    snapshot::Catalog* const catalog_;
    mutable std::mutex mutex_;  // workers save, the control thread reads
    std::map<std::string, InMemory, std::less<>> in_memory_;
};

}  // namespace shardmill::engine
