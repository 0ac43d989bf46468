#include <expected>

#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/meta_flags.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::MetaFlags;
using protocol::MetaItem;
using store::Handle;
using store::ItemHeader;

base::UnixSeconds deadline(const CommandContext& context, std::int32_t exptime) noexcept {
    return deadline_of(exptime, context.now, context.limits.started_at);
}

void count_miss(const CommandContext& context) noexcept {
    context.count(Counter::CmdGet);
    context.count(Counter::GetMisses);
}

/// A hit that sets a deadline is a touch to the statistics.
void count_hit(const CommandContext& context, const MetaFlags& flags) noexcept {
    context.count(flags.has('T') ? Counter::CmdTouch : Counter::CmdGet);
    context.count(flags.has('T') ? Counter::TouchHits : Counter::GetHits);
}

void append_hit(CommandContext& context, net::Operation& operation, MetaItem& item,
                const Handle& handle) noexcept {
    const protocol::Request& request = *operation.request;
    const MetaFlags& flags = request.meta;
    const std::string_view value = handle.view.value;
    item.key = handle.view.key;
    item.key_is_binary = handle.view.header.has(ItemHeader::kBinaryKey);
    item.client_flags = handle.view.client_flags;
    item.value_bytes = static_cast<std::uint32_t>(value.size());
    if (flags.has('c')) item.cas = context.show_cas(handle);

    const bool same_as_known = flags.has('C') && flags.compare_cas == context.cas_of(handle);
    const bool send_value = flags.has('v') && !same_as_known;
    std::string& text = context.replies.text;
    if (!send_value || is_copied(context, value.size())) [[likely]] {
        protocol::append_meta_get(text, request, item, send_value, value);
        return;
    }
    protocol::append_meta_get_line(text, request, item);
    pin_value(context, operation, handle.segment, value);
    text.append("\r\n");
}

/// A miss with N: an empty item holds the place, and this client is the one to fill it.
void vivify(CommandContext& context, net::Operation& operation) noexcept {
    const MetaFlags& flags = operation.request->meta;
    const auto vivified = deadline(context, flags.vivify_ttl);
    const auto touched = deadline(context, flags.ttl);
    const bool touch_last = flags.has('T') && flag_precedes(flags, 'N', 'T');
    const store::NewItem stub{.key = hashed_key(operation),
                              .exptime = touch_last ? touched : vivified,
                              .cas = flags.has('E') ? flags.new_cas : 0,
                              .header_bits = ItemHeader::kWin};
    const auto handle = context.shard.put(stub, nullptr, context.now);
    if (!handle) {
        context.count(Counter::StoreNoMemory);
        context.replies.text.append(protocol::replies::kNoMemory);
        return;
    }
    count_hit(context, flags);
    MetaItem item{.created = true, .won = true};
    item.touched_ttl = seconds_left(touched, context.now);
    item.vivified_ttl = seconds_left(vivified, context.now);
    append_hit(context, operation, item, *handle);
    if (!flags.has('u')) context.shard.bump(*handle, context.now);
}

/// Whether this access is told to recache the item: nobody else was, and it is stale or close to
/// its deadline.
bool wins(const CommandContext& context, const MetaFlags& flags, const MetaItem& item,
          base::UnixSeconds exptime) noexcept {
    if (item.token_sent) return false;
    if (item.stale) return true;
    if (!flags.has('R')) return false;
    const bool touched_first = flags.has('T') && flag_precedes(flags, 'T', 'R');
    const auto expires = touched_first ? deadline(context, flags.ttl) : exptime;
    return expires != kNever && expires < deadline(context, flags.recache_ttl);
}

/// What the access changes about the item: deadline and win token. The handle it is known by
/// afterwards.
std::expected<Handle, store::StoreError> update(CommandContext& context, const MetaFlags& flags,
                                                const Handle& found, bool won) noexcept {
    std::expected<Handle, store::StoreError> handle = found;
    if (flags.has('T')) {
        handle = context.shard.set_exptime(found, deadline(context, flags.ttl), context.now);
    }
    if (won && handle) {
        handle = context.shard.set_bits(*handle, ItemHeader::kWin, 0, context.now);
    }
    return handle;
}

}  // namespace

void run_meta_get(CommandContext& context, net::Operation& operation) noexcept {
    const MetaFlags& flags = operation.request->meta;
    const auto found = find_item(context, operation);
    if (!found) {
        if (flags.has('N')) return vivify(context, operation);
        count_miss(context);
        protocol::append_meta_miss(context.replies.text, *operation.request);
        return;
    }

    count_hit(context, flags);
    const store::ItemView& before = found->view;
    MetaItem item{.fetched = found->fetched_before,
                  .stale = before.header.has(ItemHeader::kStale),
                  .token_sent = before.header.has(ItemHeader::kWin),
                  .idle_seconds = context.now - std::min(context.now, found->last_access),
                  .ttl = seconds_left(before.exptime, context.now)};
    item.won = wins(context, flags, item, before.exptime);
    if (flags.has('T')) {
        item.touched_ttl = seconds_left(deadline(context, flags.ttl), context.now);
    }
    if (!flags.has('u')) context.shard.bump(*found, context.now);
    if (!flags.has('T') && !item.won) [[likely]] {
        return append_hit(context, operation, item, *found);
    }

    const auto updated = update(context, flags, *found, item.won);
    if (!updated) {
        context.count(Counter::StoreNoMemory);
        context.replies.text.append(protocol::replies::kNoMemory);
        return;
    }
    append_hit(context, operation, item, *updated);
}

void run_meta_debug(CommandContext& context, net::Operation& operation) noexcept {
    context.count(Counter::CmdMeta);
    const auto found = find_item(context, operation);
    if (!found) {
        context.replies.text.append(protocol::replies::kMetaEnd);
        return;
    }
    const store::ItemView& view = found->view;
    const MetaItem item{.key = view.key,
                        .key_is_binary = view.header.has(ItemHeader::kBinaryKey),
                        .fetched = found->fetched_before,
                        .client_flags = view.client_flags,
                        .value_bytes = static_cast<std::uint32_t>(view.value.size()),
                        .idle_seconds = context.now - std::min(context.now, found->last_access),
                        .cas = context.show_cas(*found),
                        .ttl = seconds_left(view.exptime, context.now)};
    protocol::append_meta_debug(
        context.replies.text, item, kItemClass,
        context.limits.item_bytes(view.key.size(), view.value.size(), view.client_flags));
}

}  // namespace shardmill::engine
