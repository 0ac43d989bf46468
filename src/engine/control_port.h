#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/executor.h"
#include "protocol/request.h"

namespace shardmill::engine {

/// A command that is answered by the control plane, not on a shard. Owns its text: the connection's
/// buffers are gone by the time it is looked at.
struct ControlRequest {
    enum class Kind : std::uint8_t {
        Batch,
        JobKey,
        Snapshot,
        Stats,
        StatsBatch,
        StatsSnapshot,
        StatsConnections,
        RefreshCerts,
        Sasl,
        Crawler
    };
    Kind kind = Kind::Batch;
    std::string arguments;  // the line after the command word; Sasl: the mechanism; JobKey: the
                            // whole command as sent
    std::string payload;    // batch run - payload=<bytes>; Sasl: the client's response
    bool no_reply = false;  // refresh_certs: the answer is empty
    net::ConnectionId connection{};
    /// Stats asked for in a packet: answered in packets. Sasl: always.
    std::optional<protocol::BinaryFields> packet = {};
};

/// Where reactors hand such commands over. Called on reactor threads: queues and returns, never
/// blocks. Every submitted request is answered exactly once through net::Replier, unless its
/// connection closes first.
class ControlPort {
 public:
    virtual ~ControlPort() = default;
    virtual void submit(ControlRequest request) = 0;
    /// Waiters on behalf of this connection can be forgotten.
    virtual void connection_closed(net::ConnectionId connection) = 0;
};

}  // namespace shardmill::engine
