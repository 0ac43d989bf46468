#pragma once

#include "engine/batch_commands.h"
#include "engine/connection_commands.h"
#include "engine/contents_loader.h"
#include "engine/control_port.h"
#include "engine/control_queue.h"
#include "engine/crawler_commands.h"
#include "engine/job_keys.h"
#include "engine/job_manager.h"
#include "engine/sasl_commands.h"
#include "engine/snapshot_commands.h"
#include "engine/stats.h"
#include "net/executor.h"

namespace shardmill::engine {

/// Takes the commands of the control plane from reactors to the control thread and to those who
/// answer them.
class ControlService final : public ControlPort {
 public:
    struct Parts {
        ControlQueue* control = nullptr;
        JobManager* jobs = nullptr;
        BatchCommands* batch = nullptr;
        JobKeys* job_keys = nullptr;
        SnapshotCommands* snapshot = nullptr;
        ConnectionCommands* connections = nullptr;
        Statistics* statistics = nullptr;
        net::Replier* replier = nullptr;
        SaslCommands* sasl = nullptr;  // nullptr: there is no SASL
        CrawlerCommands* crawler = nullptr;
        const ContentsLoader* loader = nullptr;
    };
    /// Before the first command. What is pointed to outlives the last one.
    void connect(const Parts& parts) noexcept { parts_ = parts; }

    void submit(ControlRequest request) override;
    void connection_closed(net::ConnectionId connection) override;

 private:
    void execute(const ControlRequest& request);
    bool refuse_while_incomplete(const ControlRequest& request);
    void report(const ControlRequest& request);

    Parts parts_;
};

}  // namespace shardmill::engine
