#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/auth_file.h"
#include "engine/control_port.h"
#include "engine/counters.h"
#include "engine/event_log.h"
#include "engine/load_gate.h"
#include "engine/stats.h"
#include "engine/watchers.h"
#include "net/executor.h"
#include "store/shard_set.h"

namespace shardmill::engine {

struct ExecutorConfig {
    std::uint32_t reactor = 0;               // this executor's reactor
    std::uint32_t reactors = 1;              // of how many; they share the housekeeping
    std::uint64_t item_bytes_max = 1 << 20;  // -I
    bool flush_enabled = true;               // false: -F
    bool cas_enabled = true;                 // false: -C
    bool sasl = false;                       // -S: `control` authenticates clients
    base::UnixSeconds started_at =
        0;  // absolute deadlines up to here are in the past, whatever the clock says
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
};

/// What an executor works with. Everything pointed to outlives it.
struct ExecutorParts {
    store::ShardSet* shards = nullptr;
    Counters* counters = nullptr;               // this executor's own
    Statistics* statistics = nullptr;           // shared by all
    RuntimeSettings* settings = nullptr;        // shared by all
    PrefixStats::Recorder* prefixes = nullptr;  // this executor's own; nullptr: nothing is recorded
    HotSample* hot = nullptr;                   // this executor's own; nullptr: nothing is sampled
    EventLog* log = nullptr;                    // this executor's own; nullptr: nobody watches
    Watchers* watchers = nullptr;               // shared by all; nullptr: nobody may
    ControlPort* control = nullptr;             // nullptr: batch and snapshot commands are refused
    LoadGate* loading = nullptr;                // shared by all; nullptr: no snapshot is loaded
    const AuthFile* auth_file = nullptr;        // nullptr: nobody logs in to the text protocol
    std::function<void(bool graceful)> stop;    // what `shutdown` does; empty: not enabled (no -A)
};

/// Executes a turn's requests on the shards: operations are grouped by shard, every shard touched
/// is locked for a bounded run of them, and the replies are composed under the lock. One object per
/// reactor, on its thread only.
class RequestExecutor final : public net::Executor {
 public:
    RequestExecutor(const ExecutorConfig& config, const ExecutorParts& parts);
    ~RequestExecutor() override;
    RequestExecutor(const RequestExecutor&) = delete;
    RequestExecutor& operator=(const RequestExecutor&) = delete;

    void execute(std::span<net::Operation> operations, net::ReplyArena& replies) noexcept override;
    net::Upload reserve(const protocol::Request& request) noexcept override;
    void abandon(net::Upload upload) noexcept override;
    void release(const net::PinnedValue& value) noexcept override;
    bool authenticate(std::string_view user, std::string_view password) noexcept override;
    void connection_opened(const net::ConnectionFacts& connection) noexcept override;
    void connection_closed(const net::ConnectionFacts& connection,
                           net::CloseReason reason) noexcept override;
    void tls_failed(const net::ConnectionFacts& connection,
                    std::string_view reason) noexcept override;
    void buffers_changed(std::uint64_t before, std::uint64_t now) noexcept override;
    bool housekeep() noexcept override;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::engine
