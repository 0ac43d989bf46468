#include <optional>

#include "engine/commands.h"
#include "engine/exptime.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using store::Handle;
using store::Shard;

void append_hit(CommandContext& context, net::Operation& operation, const Handle& handle,
                std::optional<std::uint64_t> cas) noexcept {
    std::string& text = context.replies.text;
    const store::ItemView& item = handle.view;
    if (is_copied(context, item.value.size())) [[likely]] {
        protocol::append_value(text, item.key, item.client_flags, item.value, cas);
        return;
    }
    protocol::append_value_line(text, item.key, item.client_flags,
                                static_cast<std::uint32_t>(item.value.size()), cas);
    pin_value(context, operation, handle);
    text.append("\r\n");
}

void count_miss(const CommandContext& context, Shard::Miss why) noexcept {
    context.count(Counter::GetMisses);
    if (why == Shard::Miss::Expired) context.count(Counter::GetExpired);
    if (why == Shard::Miss::Flushed) context.count(Counter::GetFlushed);
}

template <bool kShowCas>
void get(CommandContext& context, net::Operation& operation) noexcept {
    context.count(Counter::CmdGet);
    Shard::Miss why{};
    if (const auto found = context.shard.find(hashed_key(operation), context.now, &why)) {
        context.count(Counter::GetHits);
        context.shard.bump(*found, context.now);
        std::optional<std::uint64_t> cas;
        if constexpr (kShowCas) cas = context.show_cas(*found);
        append_hit(context, operation, *found, cas);
    } else {
        count_miss(context, why);
    }
    if (operation.last_of_request) context.replies.text.append(protocol::replies::kEnd);
}

/// Finds an item, counts the access and gives it a new deadline. An error where there is no memory
/// to move it.
std::expected<std::optional<Handle>, store::StoreError> find_and_touch(
    CommandContext& context, const net::Operation& operation) noexcept {
    context.count(Counter::CmdTouch);
    const auto found = context.shard.find(hashed_key(operation), context.now);
    if (!found) {
        context.count(Counter::TouchMisses);
        return std::nullopt;
    }
    context.count(Counter::TouchHits);
    context.shard.bump(*found, context.now);
    const auto deadline =
        deadline_of(operation.request->exptime, context.now, context.limits.started_at);
    const auto moved = context.shard.set_exptime(*found, deadline, context.now);
    if (!moved) return std::unexpected(moved.error());
    return std::optional(*moved);
}

template <bool kShowCas>
void gat(CommandContext& context, net::Operation& operation) noexcept {
    const auto touched = find_and_touch(context, operation);
    if (!touched) {
        // Neither the promised deadline nor a reply without its value would be right; a miss always
        // is.
        context.count(Counter::StoreNoMemory);
    } else if (*touched) {
        std::optional<std::uint64_t> cas;
        if constexpr (kShowCas) cas = context.show_cas(**touched);
        append_hit(context, operation, **touched, cas);
    }
    if (operation.last_of_request) context.replies.text.append(protocol::replies::kEnd);
}

}  // namespace

void run_get(CommandContext& context, net::Operation& operation) noexcept {
    get<false>(context, operation);
}
void run_gets(CommandContext& context, net::Operation& operation) noexcept {
    get<true>(context, operation);
}
void run_gat(CommandContext& context, net::Operation& operation) noexcept {
    gat<false>(context, operation);
}
void run_gats(CommandContext& context, net::Operation& operation) noexcept {
    gat<true>(context, operation);
}

void run_touch(CommandContext& context, net::Operation& operation) noexcept {
    const auto touched = find_and_touch(context, operation);
    std::string_view reply = protocol::replies::kTouched;
    if (!touched) {
        context.count(Counter::StoreNoMemory);
        reply = protocol::replies::kNoMemory;
    } else if (!*touched) {
        reply = protocol::replies::kNotFound;
    }
    if (!operation.request->no_reply) context.replies.text.append(reply);
}

}  // namespace shardmill::engine
