#pragma once

#include <string>

#include "engine/command_context.h"
#include "engine/load_gate.h"
#include "net/executor.h"
#include "protocol/request.h"

namespace shardmill::engine {

/// The commands that store a key or remove it; a snapshot that is being loaded must not undo them.
/// What is changed in place or only read was there, and stays.
constexpr bool may_replace(protocol::Verb verb) noexcept {
    using protocol::Verb;
    switch (verb) {
        case Verb::Delete:
        case Verb::MetaDelete:
        case Verb::MetaArithmetic:
        case Verb::BinaryDelete:
        case Verb::BinaryIncrement:
        case Verb::BinaryDecrement:
            return true;
        default:
            return protocol::has_value(verb);
    }
}

/// For a command on a key while a snapshot is being loaded, under the lock of the key's shard:
/// notes what it may change, or answers it. False: it has been answered.
bool pass_load_gate(LoadGate& gate, CommandContext& context, const net::Operation& operation);

/// The answer to a command that has to wait until the snapshot has been loaded.
void append_loading(std::string& reply, const protocol::Request& request);

}  // namespace shardmill::engine
