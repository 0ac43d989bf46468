#pragma once

#include <array>
#include <cstddef>

#include "engine/command_context.h"
#include "net/executor.h"
#include "protocol/request.h"

namespace shardmill::engine {

/// Executes one operation on its locked shard and appends its reply. `operation.pinned` is set
/// where a value is sent from the log; reply_begin and reply_end are the caller's.
using KeyCommand = void (*)(CommandContext&, net::Operation&) noexcept;

/// The handlers of the verbs with a key (protocol::has_key).
inline constexpr std::size_t kKeyVerbs = static_cast<std::size_t>(protocol::Verb::BinaryGat) + 1;
extern const std::array<KeyCommand, kKeyVerbs> kKeyCommands;

inline KeyCommand key_command(protocol::Verb verb) noexcept {
    return kKeyCommands[static_cast<std::size_t>(verb)];
}

// Handlers by file.

// commands_get.cc
void run_get(CommandContext& context, net::Operation& operation) noexcept;
void run_gets(CommandContext& context, net::Operation& operation) noexcept;
void run_gat(CommandContext& context, net::Operation& operation) noexcept;
void run_gats(CommandContext& context, net::Operation& operation) noexcept;
void run_touch(CommandContext& context, net::Operation& operation) noexcept;

// commands_store.cc: set, add, replace, append, prepend, cas
void run_store(CommandContext& context, net::Operation& operation) noexcept;
void run_meta_set(CommandContext& context, net::Operation& operation) noexcept;

// commands_delta.cc: incr, decr
void run_delta(CommandContext& context, net::Operation& operation) noexcept;
void run_meta_arithmetic(CommandContext& context, net::Operation& operation) noexcept;

// commands_delete.cc
void run_delete(CommandContext& context, net::Operation& operation) noexcept;
void run_meta_delete(CommandContext& context, net::Operation& operation) noexcept;

// commands_binary.cc
void run_binary_get(CommandContext& context, net::Operation& operation) noexcept;
void run_binary_gat(CommandContext& context, net::Operation& operation) noexcept;
void run_binary_touch(CommandContext& context, net::Operation& operation) noexcept;
void run_binary_store(CommandContext& context, net::Operation& operation) noexcept;
void run_binary_delete(CommandContext& context, net::Operation& operation) noexcept;
void run_binary_delta(CommandContext& context, net::Operation& operation) noexcept;

// commands_meta_get.cc
void run_meta_get(CommandContext& context, net::Operation& operation) noexcept;
void run_meta_debug(CommandContext& context, net::Operation& operation) noexcept;

}  // namespace shardmill::engine
