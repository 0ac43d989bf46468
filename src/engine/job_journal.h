#pragma once

#include <span>
#include <vector>

#include "engine/job.h"
#include "snapshot/catalog.h"

namespace shardmill::engine {

/// Jobs that have no result on disk to tell of them: those that wait or run, and those that have
/// failed, were stopped or lost. A small file beside the results, `jobs`, replaced as a whole
/// whenever one comes or ends, so that a crash leaves the one before or the one after. Control
/// thread; blocks on the disk.
class JobJournal {
 public:
    /// `catalog` may be nullptr (nothing is kept) and outlives the object.
    explicit JobJournal(snapshot::Catalog* catalog) noexcept : catalog_(catalog) {}

    bool on_disk() const noexcept { return catalog_ != nullptr; }

    /// What is to be read after the next start. A disk that refuses is reported on the log.
    void write(std::span<const JobStatus> jobs);

    /// What the last run of the server has left, oldest first. Those that had not ended are Lost. A
    /// damaged file is reported on the log, and empty.
    std::vector<JobStatus> load() const;

 private:
    std::string path() const;

    snapshot::Catalog* const catalog_;
};

}  // namespace shardmill::engine
