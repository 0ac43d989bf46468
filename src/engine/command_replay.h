#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/counters.h"
#include "engine/cut_gate.h"
#include "engine/executor.h"
#include "net/executor.h"
#include "runtime/task_queue.h"

namespace shardmill::engine {

/// Executes a client's command on its reactor on behalf of the control plane, over items that are
/// there for as long as the command runs and no longer. So whatever protocol and flags the command
/// came with, its reply is composed where all others are.
class CommandReplay {
 public:
    struct Item {
        std::string key;  // as text commands may name it
        std::string value;
    };
    struct Parts {
        std::vector<runtime::TaskQueue*> reactors;
        std::vector<RequestExecutor*> executors;  // of the reactors
        net::Replier* replier = nullptr;
        CutGate* gate = nullptr;  // no scan sees the items
        /// What executors need that bring and take the items: nobody counts or sees that.
        ExecutorConfig config;
        ExecutorParts hidden;
    };
    /// What one command may ask for and be answered: it is executed in one turn, and its reply is
    /// put together before it is sent. More is refused in these words.
    static constexpr std::size_t kKeysMax = 1000;
    static constexpr std::size_t kReplyBytesMax = 16u << 20;
    static constexpr std::string_view kTooMuch =
        "too much at once beside a key of jobs; ask for fewer keys";

    /// What is pointed to outlives the object, and the object outlives the reactors.
    explicit CommandReplay(Parts parts);

    /// Answers `connection`, which waits for a deferred operation, with what `command`, bytes as
    /// they came, does where `items` are stored. Keys of jobs are gone again afterwards, those that
    /// the command has stored included. Any thread; returns at once.
    void run(net::ConnectionId connection, std::string command, std::vector<Item> items);

 private:
    void attempt(net::ConnectionId connection, std::string command, std::vector<Item> items);
    std::string execute(net::ConnectionId connection, std::string_view command,
                        const std::vector<Item>& items);

    const Parts parts_;
    std::deque<Counters> counters_;  // one per reactor, read by nobody
    std::deque<RequestExecutor> hidden_;
};

}  // namespace shardmill::engine
