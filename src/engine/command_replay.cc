#include "engine/command_replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/assert.h"
#include "protocol/parser.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

/// The operations of one command, as a connection would make them.
std::vector<net::Operation> operations_of(const protocol::Request& request,
                                          net::ConnectionId connection) {
    std::vector<net::Operation> operations;
    const auto add = [&](std::string_view key, bool last) {
        net::Operation operation{};
        operation.request = &request;
        operation.key = key;
        operation.last_of_request = last;
        operation.pinned = -1;
        operation.connection = connection;
        operation.socket = -1;
        operations.push_back(operation);
    };
    std::string_view rest = request.verb <= protocol::Verb::Gats ? request.more_keys : "";
    for (std::string_view key = request.key; !key.empty();) {
        const std::string_view next = protocol::next_key(rest);
        add(key, next.empty());
        key = next;
    }
    return operations;
}

/// The reply of `operation` with the value that it would have been sent from. False: too much.
bool append_reply(std::string& out, const net::Operation& operation,
                  const net::ReplyArena& replies) {
    const std::string_view text =
        std::string_view(replies.text)
            .substr(operation.reply_begin, operation.reply_end - operation.reply_begin);
    std::string_view value;
    std::size_t head = text.size();
    if (operation.pinned >= 0) {
        value = replies.pinned[static_cast<std::size_t>(operation.pinned)].bytes;
        head = operation.pinned_at - operation.reply_begin;
    }
    if (out.size() + text.size() + value.size() > CommandReplay::kReplyBytesMax) return false;
    out.append(text.substr(0, head)).append(value).append(text.substr(head));
    return true;
}

std::string execute_on(RequestExecutor& executor, std::span<net::Operation> operations) {
    constexpr std::size_t kAtOnce = 64;  // before it is seen how much that was
    std::string out;
    while (!operations.empty()) {
        const auto some = operations.first(std::min(operations.size(), kAtOnce));
        operations = operations.subspan(some.size());
        net::ReplyArena replies;
        executor.execute(some, replies);
        const bool fits = std::ranges::all_of(some, [&](const net::Operation& operation) {
            return append_reply(out, operation, replies);
        });
        for (const net::PinnedValue& value : replies.pinned) executor.release(value);
        if (fits) continue;
        out.clear();
        protocol::append_client_error(out, CommandReplay::kTooMuch);
        break;
    }
    return out;
}

std::string execute_text(RequestExecutor& executor, std::string_view command) {
    protocol::Request request;
    const auto parsed = protocol::parse_text(command, request);
    SHARDMILL_ASSERT(parsed.status == protocol::ParseStatus::Complete);
    auto operations = operations_of(request, {});
    return execute_on(executor, operations);
}

}  // namespace

CommandReplay::CommandReplay(Parts parts) : parts_(std::move(parts)) {
    for (std::size_t reactor = 0; reactor < parts_.reactors.size(); ++reactor) {
        ExecutorConfig config = parts_.config;
        config.reactor = static_cast<std::uint32_t>(reactor);
        ExecutorParts hidden = parts_.hidden;
        hidden.counters = &counters_.emplace_back();
        hidden_.emplace_back(config, hidden);
    }
}

void CommandReplay::run(net::ConnectionId connection, std::string command,
                        std::vector<Item> items) {
    parts_.reactors[connection.reactor]->post(
        [this, connection, command = std::move(command), items = std::move(items)]() mutable {
            attempt(connection, std::move(command), std::move(items));
        });
}

/// On the connection's reactor, again in its next turn while a cut is about to be taken or another
/// one is at it: two commands on one key must not take away each other's item.
void CommandReplay::attempt(net::ConnectionId connection, std::string command,
                            std::vector<Item> items) {
    if (!parts_.gate->enter()) return run(connection, std::move(command), std::move(items));
    std::string reply = execute(connection, command, items);
    parts_.gate->leave();
    parts_.replier->reply(connection, std::move(reply));
}

std::string CommandReplay::execute(net::ConnectionId connection, std::string_view command,
                                   const std::vector<Item>& items) {
    RequestExecutor& hidden = hidden_[connection.reactor];
    std::string refused;
    for (const Item& item : items) {
        const std::string stored = execute_text(
            hidden,
            fmt::format("set {} 0 0 {}\r\n{}\r\n", item.key, item.value.size(), item.value));
        if (stored != protocol::replies::kStored) refused = stored;
    }
    protocol::Request request;
    const auto parsed = protocol::parse(protocol::Dialect::Auto, command, request);
    SHARDMILL_ASSERT(parsed.status == protocol::ParseStatus::Complete);
    std::vector<net::Operation> operations = operations_of(request, connection);
    std::vector<std::string> keys;
    for (const net::Operation& operation : operations) {
        if (protocol::is_job_key(operation.key)) keys.emplace_back(operation.key);
    }
    // Room is short where an item was refused: then it is missing, as after an eviction.
    std::string reply = execute_on(*parts_.executors[connection.reactor], operations);
    if (!refused.empty() && !protocol::is_binary(request.verb)) reply = std::move(refused);
    for (const std::string& key : keys) execute_text(hidden, fmt::format("delete {}\r\n", key));
    return reply;
}

}  // namespace shardmill::engine
