#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/clock.h"
#include "config/config.h"
#include "engine/load_gate.h"
#include "snapshot/catalog.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// How far a load is; written by those who load, read by any.
struct LoadProgress {
    std::atomic<std::uint64_t> items{0};       // of the snapshot
    std::atomic<std::uint64_t> loaded{0};      // stored
    std::atomic<std::uint64_t> expired{0};     // left out: their time was over
    std::atomic<std::uint64_t> surplus{0};     // left out: less worth keeping, and no room for all
    std::atomic<std::uint64_t> superseded{0};  // left out: clients have stored or removed since
    std::atomic<std::uint64_t> not_stored{0};  // no room
    std::atomic<bool> stop{false};             // asks for the end

    std::uint64_t done() const noexcept {
        return loaded + expired + surplus + superseded + not_stored;
    }
    /// 0 to 100; 100 only when nothing is left.
    std::uint32_t percent() const noexcept;
    void reset() noexcept;
};

struct LoadReport {
    std::string name;           // of the snapshot
    std::uint64_t items = 0;    // stored
    std::uint64_t expired = 0;  // the rest as in LoadProgress
    std::uint64_t surplus = 0;
    std::uint64_t superseded = 0;
    std::uint64_t not_stored = 0;
    std::uint64_t ms = 0;
    std::uint64_t clock_back_s = 0;  // the snapshot is of so many seconds from now
};

/// "1000 items loaded in 5 ms, 3 had expired, ..."
std::string to_string(const LoadReport& report);

struct LoadOptions {
    config::OnBrokenSnapshot on_broken = config::OnBrokenSnapshot::Refuse;
    std::uint32_t threads = 1;
    bool evict = true;  // false (-M): nothing makes room, so that less may be tried
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
    std::string name{};                // of the snapshot; empty: the committed one
    LoadProgress* progress = nullptr;  // nullptr: nobody looks
    LoadGate* gate = nullptr;          // clients are served meanwhile; nullptr: nobody is
};

/// Fills shards (any number of them) with a snapshot. Blocks; any thread of a reactor's priority.
/// nullopt: there is none, the broken one was left alone as told, or it was asked to stop.
/// Unexpected: the text names what is broken and says what to do.
///
/// Deadlines, flags and the CAS values that clients have seen are kept; items that were hit start
/// in the main queue. A key that is there already keeps its item. Where the snapshot is larger than
/// the memory limit, what eviction would take first is left out: items that were never hit before
/// those that were, of each the older before the younger.
std::expected<std::optional<LoadReport>, std::string> load_snapshot(
    store::ShardSet& shards, const snapshot::Catalog& catalog, const LoadOptions& options);

/// The same as far as it can be told without reading the items: whether there is one to load, and
/// how many items it may have. For a start that loads while it serves.
std::expected<std::optional<std::uint64_t>, std::string> items_to_load(
    const snapshot::Catalog& catalog, const LoadOptions& options);

}  // namespace shardmill::engine
