#pragma once

#include "engine/control_port.h"
#include "engine/counters.h"
#include "engine/sasl_service.h"
#include "net/executor.h"

namespace shardmill::engine {

/// The packets SASL_LIST_MECHS, SASL_AUTH and SASL_STEP. Control thread only.
class SaslCommands {
 public:
    /// `counters`: written by the control thread alone.
    SaslCommands(SaslService& service, net::Replier& replier, Counters& counters) noexcept
        : service_(service), replier_(replier), counters_(counters) {}

    /// Kind::Sasl.
    void execute(const ControlRequest& request);
    void forget(net::ConnectionId connection) noexcept { service_.forget(connection); }

 private:
    void list(const ControlRequest& request);

    SaslService& service_;
    net::Replier& replier_;
    Counters& counters_;
};

}  // namespace shardmill::engine
