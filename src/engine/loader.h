#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/clock.h"
#include "config/config.h"
#include "snapshot/catalog.h"
#include "store/shard_set.h"

namespace shardmill::engine {

struct LoadReport {
    std::string name;              // of the snapshot
    std::uint64_t items = 0;       // stored
    std::uint64_t expired = 0;     // left out: their time was over
    std::uint64_t not_stored = 0;  // no room for them
    std::uint64_t ms = 0;
};

struct LoadOptions {
    config::OnBrokenSnapshot on_broken = config::OnBrokenSnapshot::Refuse;
    std::uint32_t threads = 1;
    base::UnixSeconds now = 0;
};

/// Fills empty shards (any number of them) with the committed snapshot, before anything is served.
/// Blocks. nullopt: there is none, or the broken one was left alone as told. Unexpected: the server
/// must not start; the text names what is broken and says what to do. Deadlines, flags and the CAS
/// values that clients have seen are kept.
std::expected<std::optional<LoadReport>, std::string> load_snapshot(
    store::ShardSet& shards, const snapshot::Catalog& catalog, const LoadOptions& options);

}  // namespace shardmill::engine
