#pragma once

#include <string>
#include <string_view>

#include "engine/snapshot_manager.h"
#include "net/executor.h"

namespace shardmill::engine {

/// The text form of snapshots: `snapshot save`, `snapshot list` and `stats snapshot`. `save` is
/// answered when the snapshot is committed or has failed. Control thread only.
class SnapshotCommands {
 public:
    SnapshotCommands(SnapshotManager& snapshots, net::Replier& replier) noexcept
        : snapshots_(snapshots), replier_(replier) {}

    /// `arguments`: the line behind `snapshot`.
    void execute(std::string_view arguments, net::ConnectionId connection);
    /// `stats snapshot`.
    void stats(net::ConnectionId connection);

 private:
    void save(net::ConnectionId connection);
    std::string list() const;

    SnapshotManager& snapshots_;
    net::Replier& replier_;
};

}  // namespace shardmill::engine
