#pragma once

#include <string_view>

#include "base/clock.h"
#include "engine/executor.h"
#include "net/executor.h"
#include "protocol/request.h"

namespace shardmill::engine {

/// What a command without a key works with. No lock is held.
struct AdminContext {
    const ExecutorConfig& config;
    const ExecutorParts& parts;
    base::UnixSeconds now;
    net::ReplyArena& replies;
};

/// Executes one operation and appends its reply, or hands it over and sets `operation.deferred`.
using AdminCommand = void (*)(AdminContext&, net::Operation&) noexcept;

/// The handler of a verb without a key.
AdminCommand admin_command(protocol::Verb verb) noexcept;

/// Appends a whole reply unless the client wants none.
inline void append_answer(AdminContext& context, const net::Operation& operation,
                          std::string_view answer) noexcept {
    if (!operation.request->no_reply) context.replies.text.append(answer);
}

/// Hands a command to the control plane, which answers through net::Replier.
void defer(AdminContext& context, net::Operation& operation, ControlRequest::Kind kind,
           std::string_view arguments);

// Handlers by file; the others are commands_admin.cc's own.

// commands_tuning.cc
void run_slabs(AdminContext& context, net::Operation& operation) noexcept;
void run_lru(AdminContext& context, net::Operation& operation) noexcept;
void run_extstore(AdminContext& context, net::Operation& operation) noexcept;

// commands_watch.cc
void run_watch(AdminContext& context, net::Operation& operation) noexcept;

// commands_crawler.cc
void run_lru_crawler(AdminContext& context, net::Operation& operation) noexcept;

/// True for the verbs that look at or change what keys hold: what was asked before them must run
/// before them.
constexpr bool is_barrier(protocol::Verb verb) noexcept {
    using protocol::Verb;
    return verb == Verb::FlushAll || verb == Verb::Stats || verb == Verb::Batch ||
           verb == Verb::Snapshot || verb == Verb::JobKey || verb == Verb::Shutdown ||
           verb == Verb::BinaryFlush || verb == Verb::BinaryStat || verb == Verb::BinaryLine;
}

/// Everything stored so far is gone at `when`; if that is past, what was neither stored nor read
/// since then. A flush that is pending is not any more.
void flush_shards(AdminContext& context, base::UnixSeconds when) noexcept;

/// Clients have no access to keys: a snapshot is being loaded.
bool is_kept_out(const AdminContext& context) noexcept;

// commands_binary_admin.cc
void run_binary_noop(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_version(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_flush(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_stat(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_quit(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_sasl(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_line(AdminContext& context, net::Operation& operation) noexcept;
void run_binary_invalid(AdminContext& context, net::Operation& operation) noexcept;

}  // namespace shardmill::engine
