#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "engine/counters.h"
#include "engine/executor.h"
#include "engine/runtime_settings.h"
#include "engine/stats.h"
#include "net/executor.h"
#include "protocol/dialect.h"
#include "protocol/request.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// One line of a conversation: what the client sends and what it must get for it.
struct Exchange {
    std::string request;
    std::string reply;
};

/// A server without sockets: the parser, an executor and real shards, on a clock that the test
/// moves. Requests go in as bytes and come out as the bytes a connection would send.
class CommandServer {
 public:
    struct Options {
        std::uint64_t memory_limit = 64u << 20;
        std::uint32_t shards = 4;
        std::uint64_t item_bytes_max = 1u << 20;
        bool evict = true;
        bool flush_enabled = true;
        bool cas_enabled = true;
        std::size_t upload_from =
            SIZE_MAX;  // values of this size on are received straight into the log
        ControlPort* control = nullptr;
        EventLog* log = nullptr;
        Watchers* watchers = nullptr;
        std::function<void(bool)> stop;
        config::Config config = {};  // what only reports and administrators' commands look at
    };

    CommandServer() : CommandServer(Options{}) {}
    explicit CommandServer(const Options& options);

    /// Executes everything in `bytes`, lines or packets, as one turn and returns the replies in the
    /// order of the requests. `before_sending` happens between execution and sending.
    std::string ask(std::string_view bytes, const std::function<void()>& before_sending = {});

    /// Executes the exchanges one after the other, each in a turn of its own, and reports every
    /// difference.
    void expect(const std::vector<Exchange>& conversation);

    /// The value of a line of plain `stats`, 0 if there is none.
    std::uint64_t stat(std::string_view name);

    void pass_time(std::uint32_t seconds);
    base::UnixSeconds now() const;

    /// What the last ask left behind: values still pinned, operations handed to the control plane.
    std::size_t last_pinned() const { return pinned_; }
    std::size_t last_deferred() const { return deferred_; }
    /// A connection would have been closed behind the last reply.
    bool closed() const { return closed_; }
    std::size_t last_endless() const { return endless_; }

    RequestExecutor& executor() { return executor_; }
    Statistics& statistics() { return statistics_; }
    store::ShardSet& shards() { return shards_; }
    RuntimeSettings& settings() { return settings_; }
    ServerCounters& server_counters() { return server_counters_; }
    net::ConnectionCounters& connections() { return connections_; }

 private:
    struct Turn {
        std::deque<std::string> lines;  // copies of upload lines, which outlive the parsed bytes
        std::deque<protocol::Request> requests;
        std::vector<net::Operation> operations;
    };
    void parse_all(std::string_view bytes, Turn& turn);
    bool take_upload(protocol::Dialect dialect, std::string_view& bytes, Turn& turn);
    std::string compose(const Turn& turn, const net::ReplyArena& arena);

    const Options options_;
    RuntimeSettings settings_;
    PrefixStats prefixes_;
    HotSample hot_;
    store::ShardSet shards_;
    Counters counters_;
    ServerCounters server_counters_;
    net::ConnectionCounters connections_;
    Statistics statistics_;
    RequestExecutor executor_;

    std::size_t pinned_ = 0;
    std::size_t deferred_ = 0;
    bool closed_ = false;
    std::size_t endless_ = 0;
};

/// Readable bytes for failure messages.
std::string printable(std::string_view bytes);

}  // namespace shardmill::engine
