#pragma once

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

/// True for the verbs that look at or change what keys hold: what was asked before them must run
/// before them.
constexpr bool is_barrier(protocol::Verb verb) noexcept {
    using protocol::Verb;
    return verb == Verb::FlushAll || verb == Verb::Stats || verb == Verb::Batch ||
           verb == Verb::Snapshot || verb == Verb::Shutdown;
}

}  // namespace shardmill::engine
