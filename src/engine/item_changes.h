#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "compute/acting_kernels.h"
#include "compute/program.h"
#include "engine/scan_flow.h"
#include "runtime/task_queue.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// What changes of items on behalf of jobs work with. Everything pointed to outlives the jobs.
struct ChangeParts {
    store::ShardSet* shards = nullptr;
    std::vector<runtime::TaskQueue*> reactors;  // at least one
    base::UnixSeconds started_at = 0;
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
};

/// What came of changes so far.
struct ChangeCounts {
    std::uint64_t acted = 0;
    std::uint64_t gone = 0;     // not there any more
    std::uint64_t changed = 0;  // not as they were at the cut, or moved since: left alone. Copies:
                                // there is an item of that key
    std::uint64_t refused = 0;  // no memory, or too large a key or value for this
};

/// What a job's kernel wants done with the items it has picked, and rows that become items: handed
/// to reactors in batches small enough for a turn, so many at a time. Lanes hand out, and rest when
/// the flow is full.
///
/// An item is only touched while the scan that has picked it goes on: until then its bytes are
/// pinned and cannot have been overwritten in place, so that CAS and deadline tell a change.
class ItemChanges : public std::enable_shared_from_this<ItemChanges> {
 public:
    static constexpr std::size_t kItemsPerTask = 64;
    static constexpr std::uint64_t kBytesPerTask = 32u << 10;
    static constexpr std::uint64_t kBytesWaitingMax = 64u << 10;
    static constexpr std::uint64_t kValueBytesMax = 1u << 20;  // of a copy: it is made under a lock

    ItemChanges(const ChangeParts& parts, compute::Action action);

    /// Changes that a lane has handed out and that have not been made yet.
    using Outstanding = std::shared_ptr<std::atomic<std::uint32_t>>;

    /// Worker thread, the items' segment pinned. Keys and values are copied.
    void act(std::uint32_t shard, std::vector<kernel::Item> items, const Outstanding& outstanding);

    /// Nothing of it can be done with items that are too large for it.
    static bool can(const compute::Action& action, const kernel::Item& item) noexcept;

    ScanFlow& flow() noexcept { return flow_; }
    ChangeCounts counts() const noexcept;

    /// Puts rows [from, ...) as items, as many as fit into one task, on a reactor; `then` is run
    /// there with the number of rows taken. The key is prefix + row's key.
    struct Rows {
        std::vector<compute::Row> rows;
        std::string prefix;
        std::uint32_t exptime = 0;  // of rows that bring none; unix seconds, 0: never
    };
    void put(std::shared_ptr<const Rows> rows, std::size_t from,
             std::move_only_function<void(std::size_t taken)> then);

 private:
    struct Change;
    using Batch = std::vector<Change>;
    void hand_out(std::uint32_t shard, Batch batch, const Outstanding& outstanding);
    void make(std::uint32_t shard, const Batch& batch);
    void make_one(store::Shard& shard, const Change& change, base::UnixSeconds now);
    bool store(store::Shard& shard, const Change& change, bool replace, base::UnixSeconds now);
    void count(std::atomic<std::uint64_t>& what) noexcept {
        what.fetch_add(1, std::memory_order_relaxed);
    }

    const ChangeParts parts_;
    const compute::Action action_;
    ScanFlow flow_{kBytesWaitingMax};
    std::atomic<std::uint64_t> acted_{0};
    std::atomic<std::uint64_t> gone_{0};
    std::atomic<std::uint64_t> changed_{0};
    std::atomic<std::uint64_t> refused_{0};
};

}  // namespace shardmill::engine
