#include <optional>

#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/item_actions.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using store::Handle;

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

template <bool kShowCas>
void get(CommandContext& context, net::Operation& operation) noexcept {
    if (const auto found = get_item(context, operation)) {
        std::optional<std::uint64_t> cas;
        if constexpr (kShowCas) cas = context.show_cas(*found);
        append_hit(context, operation, *found, cas);
    }
    if (operation.last_of_request) context.replies.text.append(protocol::replies::kEnd);
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
    if (touched && *touched) {
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
