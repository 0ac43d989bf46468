#include "engine/item_actions.h"

namespace shardmill::engine {

std::expected<std::optional<store::Handle>, store::StoreError> touch_item(
    CommandContext& context, const net::Operation& operation, base::UnixSeconds deadline) noexcept {
    context.count(Counter::CmdTouch);
    const auto found = find_item(context, operation);
    if (!found) {
        context.count(Counter::TouchMisses);
        return std::nullopt;
    }
    context.count(Counter::TouchHits);
    context.shard.bump(*found, context.now);
    const auto moved = context.shard.set_exptime(*found, deadline, context.now);
    if (!moved) {
        context.count(Counter::StoreNoMemory);
        return std::unexpected(moved.error());
    }
    return std::optional(*moved);
}

DeleteOutcome delete_item(CommandContext& context, const net::Operation& operation,
                          std::uint64_t compare_cas) noexcept {
    const auto found = find_item(context, operation);
    if (!found) {
        context.count(Counter::DeleteMisses);
        return DeleteOutcome::NotFound;
    }
    if (compare_cas != 0 && compare_cas != context.cas_of(*found)) return DeleteOutcome::Exists;
    if (context.log.wants(Stream::Deletions)) context.log.deleted(found->view, "delete");
    context.shard.erase(*found);
    context.count(Counter::DeleteHits);
    return DeleteOutcome::Deleted;
}

}  // namespace shardmill::engine
