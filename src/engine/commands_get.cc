#include <optional>

#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/item_actions.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using store::Handle;

void append_end(CommandContext& context, const net::Operation& operation) noexcept {
    if (operation.last_of_request) context.replies.text.append(protocol::replies::kEnd);
}

void append_pinned(CommandContext& context, net::Operation& operation, const Handle& handle,
                   std::optional<std::uint64_t> cas) noexcept {
    const store::ItemView& item = handle.view;
    protocol::append_value_line(context.replies.text, item.key, item.client_flags,
                                static_cast<std::uint32_t>(item.value.size()), cas);
    pin_value(context, operation, handle.segment, item.value);
    context.replies.text.append(protocol::replies::kCrLf);
}

template <bool kShowCas>
void append_hit(CommandContext& context, net::Operation& operation, const Handle& handle) noexcept {
    const store::ItemView& item = handle.view;
    std::optional<std::uint64_t> cas;
    if constexpr (kShowCas) cas = context.show_cas(handle);
    if (!is_copied(context, item.value.size())) [[unlikely]] {
        append_pinned(context, operation, handle, cas);
    } else if (!kShowCas && operation.last_of_request) [[likely]] {
        return protocol::append_only_value(context.replies.text, item.key, item.client_flags,
                                           item.value);
    } else {
        protocol::append_value(context.replies.text, item.key, item.client_flags, item.value, cas);
    }
    append_end(context, operation);
}

template <bool kShowCas>
void get(CommandContext& context, net::Operation& operation) noexcept {
    const auto found = get_item(context, operation);
    if (!found) return append_end(context, operation);
    append_hit<kShowCas>(context, operation, *found);
}

base::UnixSeconds deadline(const CommandContext& context,
                           const net::Operation& operation) noexcept {
    return deadline_of(operation.request->exptime, context.now, context.limits.started_at);
}

template <bool kShowCas>
void gat(CommandContext& context, net::Operation& operation) noexcept {
    const auto touched = touch_item(context, operation, deadline(context, operation));
    // Where there is no memory for it, neither the promised deadline nor a reply without its value
    // would be right; a miss always is.
    if (!touched || !*touched) return append_end(context, operation);
    append_hit<kShowCas>(context, operation, **touched);
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
    const auto touched = touch_item(context, operation, deadline(context, operation));
    std::string_view reply = protocol::replies::kTouched;
    if (!touched) {
        reply = protocol::replies::kNoMemory;
    } else if (!*touched) {
        reply = protocol::replies::kNotFound;
    }
    if (!operation.request->no_reply) context.replies.text.append(reply);
}

}  // namespace shardmill::engine
