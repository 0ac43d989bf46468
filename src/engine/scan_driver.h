#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/control_queue.h"
#include "engine/cut_gate.h"
#include "engine/scan_consumer.h"
#include "runtime/task_queue.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// What a scan is driven with. Everything pointed to outlives the driver.
struct ScanParts {
    store::ShardSet* shards = nullptr;
    std::vector<runtime::TaskQueue*> reactors;  // at least one: cut and release happen there
    ControlQueue* control = nullptr;
    runtime::TaskQueue* workers = nullptr;  // tasks may overlap and take long
    std::uint32_t lanes = 1;                // of one scan: the number of worker threads
    /// Threads of a scan's own, `lanes` of them, that get about this share of a core each however
    /// busy it is. May throw std::system_error.
    std::function<std::unique_ptr<runtime::TaskQueue>(std::uint32_t percent)> make_workers;
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
};

/// What of the contents a scan looks at, and on which threads.
struct ScanOptions {
    std::vector<std::uint32_t> shards;  // ascending; empty: all
    bool live = false;  // every shard as it is when its turn comes, one after the other: less
                        // is pinned, but they are not of one moment
    std::uint32_t sample = 0;   // only about so many segments, spread over all; 0: every one
    std::uint32_t percent = 0;  // of a core for each lane: threads of its own. 0: the workers
};

/// How far a scan is.
struct ScanProgress {
    bool cut = false;  // false: the totals are not known yet
    std::uint32_t shards = 0;
    std::uint32_t shards_done = 0;
    std::uint32_t lanes = 0;
    std::uint32_t busy_workers = 0;  // not of its own: lanes that have not ended, or whoever
                                     // makes the whole
    bool live = false;
    std::uint64_t items = 0;       // at the cut, those that expired unnoticed included
    std::uint64_t item_bytes = 0;  // of them, in the log
    std::uint64_t bytes = 0;       // of the segments to be read
    std::uint64_t bytes_done = 0;

    /// 0 to 100; 100 only when every segment was read.
    std::uint32_t percent() const noexcept;
};

class ScanRun;

/// Takes cuts and leads them past their consumers: the only code that does, whatever the scan is
/// for.
///
///     cut: reactor tasks, one shard each -> segments in eviction order -> lanes on workers, a
///     segment at a time
///       -> read segments given back through reactor tasks, in small batches -> complete (worker)
///       -> done (control)
///
/// Every pin is released, however the scan ends. Control thread only, except where a comment says
/// otherwise. Several scans may run at a time and share the workers segment by segment; cuts are
/// taken one after the other.
class ScanDriver {
 public:
    explicit ScanDriver(ScanParts parts);
    /// All scans must have ended (see `when_idle`), also those that were abandoned.
    ~ScanDriver();
    ScanDriver(const ScanDriver&) = delete;
    ScanDriver& operator=(const ScanDriver&) = delete;

    /// Reaches a scan from any thread, for as long as it lasts, without keeping it alive.
    class Remote {
     public:
        Remote() = default;
        explicit Remote(std::weak_ptr<ScanRun> run) noexcept : run_(std::move(run)) {}
        /// Lanes that rest look again whether they can go on.
        void resume() const;
        /// As Handle::cancel.
        void cancel() const;
        /// True: it is ending early, or over. What its lanes have read may change from now on.
        bool stopping() const;

     private:
        std::weak_ptr<ScanRun> run_;
    };

    /// A started scan, for the one who started it. Valid as long as held, also when the scan is
    /// over.
    class Handle {
     public:
        explicit Handle(std::shared_ptr<ScanRun> run) noexcept;
        Handle(Handle&&) noexcept;
        Handle& operator=(Handle&&) noexcept;
        ~Handle();
        /// The scan ends soon, with Stopped, unless it has already. Any thread.
        void cancel() noexcept;
        /// Cancelled, and some worker does not come back from it: `when_idle` no longer waits for
        /// it. Its consumer hears of the end all the same, if it ever comes. Control thread.
        void abandon();
        ScanProgress progress() const noexcept;
        Remote remote() const noexcept { return Remote(run_); }

     private:
        std::shared_ptr<ScanRun> run_;
    };

    Handle start(std::shared_ptr<ScanConsumer> consumer, ScanOptions options = {});

    /// Cancels every scan.
    void cancel_all() noexcept;

    /// Whether a worker has still not come back.
    bool has_abandoned() const noexcept { return !abandoned_.empty(); }

    /// Runs `task` (control thread) as soon as no scan is under way and all pins are released; at
    /// once if that is so now. One at a time.
    void when_idle(runtime::Task task);

    /// For items that no scan is to see. Any thread.
    CutGate& gate() noexcept { return gate_; }

 private:
    friend class ScanRun;
    void cut_next();
    void begin_cut(const std::shared_ptr<ScanRun>& run);
    void take_cut(const std::shared_ptr<ScanRun>& run, std::uint32_t shard);
    runtime::TaskQueue& reactor_of(std::uint32_t shard) const noexcept;
    void cut_shard(const std::shared_ptr<ScanRun>& run);
    void collected(const std::shared_ptr<ScanRun>& run, store::ShardCut cut);
    void ended(const std::shared_ptr<ScanRun>& run);
    void released(const std::shared_ptr<ScanRun>& run);
    void abandon(const std::shared_ptr<ScanRun>& run);
    void look_whether_idle();

    const ScanParts parts_;
    std::vector<std::shared_ptr<ScanRun>> runs_;       // until done and fully released
    std::vector<std::shared_ptr<ScanRun>> abandoned_;  // the same
    std::deque<std::shared_ptr<ScanRun>> want_cut_;
    std::shared_ptr<ScanRun> cutting_;
    CutGate gate_;
    runtime::Task when_idle_;
};

}  // namespace shardmill::engine
