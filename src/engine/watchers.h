#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/event_log.h"
#include "net/executor.h"
#include "runtime/task_queue.h"

namespace shardmill::engine {

/// The streams that the words behind `watch` name, as bits; without a word the fetchers. nullopt: a
/// word is unknown. Words may be abbreviated.
std::optional<std::uint32_t> parse_streams(std::string_view words) noexcept;

/// Who watches. Every reactor has a list of its own, in its EventLog, and hears of changes through
/// its inbox.
class Watchers {
 public:
    static constexpr std::uint64_t kMax = 20;

    explicit Watchers(EventLogShared& shared) noexcept : shared_(shared) {}

    /// Of each reactor, before the server starts.
    void connect(std::vector<runtime::TaskQueue*> reactors, std::vector<EventLog*> logs);

    /// Makes a connection a watcher: it is sent OK as soon as all reactors log for it, and then
    /// their lines. False: there are as many as there may be. The connection's reactor.
    bool add(net::ConnectionId connection, std::uint32_t streams);

    /// A connection is gone. Its reactor, `log` being that one's.
    void connection_closed(net::ConnectionId connection, const EventLog& log);

    /// Logs a line of the system stream. Any thread.
    void note(std::string text);

 private:
    EventLogShared& shared_;
    std::vector<runtime::TaskQueue*> reactors_;
    std::vector<EventLog*> logs_;
};

}  // namespace shardmill::engine
