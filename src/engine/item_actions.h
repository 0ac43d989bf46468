#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "engine/command_context.h"
#include "net/executor.h"
#include "store/shard.h"

/// What commands of all dialects do to one item, and count. The replies are the commands' own.
namespace shardmill::engine {

/// A get: the item, if it is there, with this access noted.
[[gnu::always_inline]] inline std::optional<store::Handle> get_item(
    CommandContext& context, const net::Operation& operation) noexcept {
    context.count(Counter::CmdGet);
    auto found = find_item(context, operation);
    if (found) [[likely]] {
        context.count(Counter::GetHits);
        context.shard.bump(*found, context.now);
    } else {
        context.count(Counter::GetMisses);
    }
    return found;
}

/// A touch: the item, if it is there, with this access noted and a new deadline. An error where
/// there is no memory to move it.
std::expected<std::optional<store::Handle>, store::StoreError> touch_item(
    CommandContext& context, const net::Operation& operation, base::UnixSeconds deadline) noexcept;

enum class DeleteOutcome : std::uint8_t { Deleted, NotFound, Exists };

/// A delete; with `compare_cas` (0: none) only of the item that has it.
DeleteOutcome delete_item(CommandContext& context, const net::Operation& operation,
                          std::uint64_t compare_cas = 0) noexcept;

}  // namespace shardmill::engine
