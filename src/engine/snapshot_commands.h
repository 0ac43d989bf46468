#pragma once

#include <string>
#include <string_view>

#include "engine/contents_loader.h"
#include "engine/snapshot_manager.h"
#include "net/executor.h"

namespace shardmill::engine {

/// The text form of snapshots: `snapshot <verb> [<name>]` and `stats snapshot`. `save`, `load` and
/// `verify` are answered when they are through. Control thread only.
class SnapshotCommands {
 public:
    SnapshotCommands(SnapshotManager& snapshots, ContentsLoader& loader,
                     net::Replier& replier) noexcept
        : snapshots_(snapshots), loader_(loader), replier_(replier) {}

    /// `arguments`: the line behind `snapshot`.
    void execute(std::string_view arguments, net::ConnectionId connection);
    /// `stats snapshot`.
    void stats(net::ConnectionId connection);

 private:
    using Reply = std::string;  // empty: it comes later
    using Handler = Reply (SnapshotCommands::*)(std::string_view name, net::ConnectionId);
    struct Verb;
    static const Verb kVerbs[];

    Reply save(std::string_view name, net::ConnectionId connection);
    Reply list(std::string_view name, net::ConnectionId connection);
    Reply stat(std::string_view name, net::ConnectionId connection);
    Reply stop(std::string_view name, net::ConnectionId connection);
    Reply drop(std::string_view name, net::ConnectionId connection);
    Reply load(std::string_view name, net::ConnectionId connection);
    Reply verify(std::string_view name, net::ConnectionId connection);

    SnapshotManager& snapshots_;
    ContentsLoader& loader_;
    net::Replier& replier_;
};

}  // namespace shardmill::engine
