#pragma once

#include "net/executor.h"
#include "net/server.h"

namespace shardmill::engine {

/// The commands about listeners and connections. Control thread; what the reactors are asked for
/// is answered from theirs.
class ConnectionCommands {
 public:
    /// Both outlive the answers.
    ConnectionCommands(net::ServerControl& server, net::Replier& replier) noexcept
        : server_(server), replier_(replier) {}

    /// `stats conns`.
    void list(net::ConnectionId asking);
    /// `refresh_certs`: reads files.
    void refresh_certs(net::ConnectionId asking, bool no_reply);

 private:
    net::ServerControl& server_;
    net::Replier& replier_;
};

}  // namespace shardmill::engine
