#include <expected>

#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/item_actions.h"
#include "engine/meta_flags.h"
#include "engine/store_item.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::MetaFlags;
using protocol::MetaStatus;
using store::Handle;
using store::ItemHeader;

void log_deleted(const CommandContext& context, const store::ItemView& item) noexcept {
    if (context.log.wants(Stream::Deletions)) context.log.deleted(item, "md");
}

/// The lines of md x: memcached stores an empty value over the old one and calls that a deletion.
void log_emptied(const CommandContext& context, const net::Operation& operation,
                 std::size_t value_bytes, const Handle& emptied) noexcept {
    EventLog& log = context.log;
    if (log.wants(Stream::Fetchers)) log.item_get(operation, value_bytes);
    if (log.wants(Stream::Mutations)) {
        log_store(context, operation, "stored", "set", emptied.view.exptime, 0);
    }
    if (!operation.request->meta.has('I')) log_deleted(context, emptied.view);
}

/// md with x, I or both: the item stays, without its value (x), marked stale (I).
std::expected<Handle, store::StoreError> invalidate(CommandContext& context,
                                                    const net::Operation& operation,
                                                    const Handle& found) noexcept {
    const MetaFlags& flags = operation.request->meta;
    const store::ItemView& view = found.view;
    const bool drop_value = flags.has('x');
    const bool stale = flags.has('I');
    const bool keep_ttl = stale && !drop_value && !flags.has('T');
    store::NewItem item;
    item.key = hashed_key(operation);
    item.value_head = drop_value ? std::string_view{} : view.value;
    item.client_flags = drop_value ? flags.client_flags : view.client_flags;
    item.exptime = keep_ttl ? view.exptime
                            : deadline_of(flags.has('T') ? flags.ttl : 0, context.now,
                                          context.limits.started_at);
    // Dropping the value alone keeps the CAS; marking stale makes a new one.
    if (flags.has('E')) {
        item.cas = flags.new_cas;
    } else if (!stale) {
        item.cas = context.shard.show_cas(found);
    } else {
        item.cas = context.shard.fresh_cas();
    }
    item.header_bits = view.header.word & ItemHeader::kBinaryKey;
    if (stale) item.header_bits |= ItemHeader::kStale;
    const auto changed = context.shard.put(item, &found, context.now);
    if (changed && !drop_value) context.shard.count_as_change();
    if (changed && drop_value && context.log.active()) [[unlikely]]
        log_emptied(context, operation, view.value.size(), *changed);
    return changed;
}

}  // namespace

void run_delete(CommandContext& context, net::Operation& operation) noexcept {
    const bool deleted = delete_item(context, operation) == DeleteOutcome::Deleted;
    if (operation.request->no_reply) return;
    context.replies.text.append(deleted ? protocol::replies::kDeleted
                                        : protocol::replies::kNotFound);
}

void run_meta_delete(CommandContext& context, net::Operation& operation) noexcept {
    const protocol::Request& request = *operation.request;
    const MetaFlags& flags = request.meta;
    std::string& text = context.replies.text;
    const auto found = find_item(context, operation);
    if (!found || cas_differs(flags, context.cas_of(*found))) {
        context.count(Counter::DeleteMisses);
        const auto status = found ? MetaStatus::Exists : MetaStatus::NotFound;
        protocol::append_meta_status(text, request, status);
        return;
    }
    if (!flags.has('I')) context.count(Counter::DeleteHits);
    if (!flags.has('I') && !flags.has('x')) {
        log_deleted(context, found->view);
        context.shard.erase(*found);
    } else if (!invalidate(context, operation, *found)) {
        context.count(Counter::StoreNoMemory);
        text.append(protocol::replies::kNoMemoryDelta);
        return;
    }
    protocol::append_meta_status(text, request, MetaStatus::Done);
}

}  // namespace shardmill::engine
