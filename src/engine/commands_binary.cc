#include <cstdint>

#include "engine/change_number.h"
#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/item_actions.h"
#include "engine/store_item.h"
#include "protocol/binary_reply.h"

namespace shardmill::engine {

namespace {

using protocol::BinaryStatus;
using protocol::Request;
using protocol::StoreMode;
using protocol::Verb;
using store::Handle;

constexpr std::string_view kNoMemoryForItem = "Out of memory allocating item";
constexpr std::string_view kNoMemoryForNumber = "Out of memory incrementing value";
constexpr std::string_view kNoMemoryForNewNumber = "Out of memory allocating new item";

base::UnixSeconds deadline(const CommandContext& context, const Request& request) noexcept {
    return deadline_of_unsigned(static_cast<std::uint32_t>(request.exptime), context.now,
                                context.limits.started_at);
}

void reply_error(CommandContext& context, const Request& request, BinaryStatus status) noexcept {
    protocol::append_binary_error(context.replies.text, request, status);
}

void reply_no_memory(CommandContext& context, const Request& request,
                     std::string_view text) noexcept {
    protocol::append_binary_text(context.replies.text, request, BinaryStatus::NoMemory, text);
}

/// A changed item's CAS is shown to whoever changed it, unless they asked for silence.
void reply_changed(CommandContext& context, const Request& request, const Handle& item) noexcept {
    if (request.no_reply) return;
    protocol::append_binary_success(context.replies.text, request, context.show_cas(item));
}

void reply_hit(CommandContext& context, net::Operation& operation, const Handle& handle) noexcept {
    const Request& request = *operation.request;
    const store::ItemView& item = handle.view;
    const std::uint64_t cas = context.show_cas(handle);
    std::string& text = context.replies.text;
    if (is_copied(context, item.value.size())) [[likely]] {
        protocol::append_binary_value(text, request, item.client_flags, item.value, cas);
        return;
    }
    protocol::append_binary_value_head(text, request, item.client_flags,
                                       static_cast<std::uint32_t>(item.value.size()), cas);
    pin_value(context, operation, handle.segment, item.value);
}

void reply_miss(CommandContext& context, const Request& request) noexcept {
    if (request.no_reply) return;
    if (!request.binary.with_key) return reply_error(context, request, BinaryStatus::NotFound);
    protocol::append_binary_key_miss(context.replies.text, request);
}

constexpr StoreMode mode_of(Verb verb) noexcept {
    switch (verb) {
        case Verb::BinaryAdd:
            return StoreMode::Add;
        case Verb::BinaryReplace:
            return StoreMode::Replace;
        case Verb::BinaryAppend:
            return StoreMode::Append;
        case Verb::BinaryPrepend:
            return StoreMode::Prepend;
        default:
            return StoreMode::Set;
    }
}

constexpr bool joins(Verb verb) noexcept {
    return verb == Verb::BinaryAppend || verb == Verb::BinaryPrepend;
}

/// The status of what was not stored, for other reasons than memory.
BinaryStatus refusal_status(Verb verb, StoreOutcome outcome) noexcept {
    switch (outcome) {
        case StoreOutcome::Exists:
            return BinaryStatus::Exists;
        case StoreOutcome::NotFound:
            return BinaryStatus::NotFound;
        case StoreOutcome::TooLarge:
            return BinaryStatus::TooLarge;
        default:
            break;
    }
    if (verb == Verb::BinaryAdd) return BinaryStatus::Exists;
    if (verb == Verb::BinaryReplace) return BinaryStatus::NotFound;
    return BinaryStatus::NotStored;
}

/// increment or decrement of a missing key that says what to begin with.
void begin_counting(CommandContext& context, const net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    const auto made =
        make_number(context, operation, request.binary.initial, deadline(context, request), 0);
    if (!made) return reply_no_memory(context, request, kNoMemoryForNewNumber);
    if (request.no_reply) return;
    protocol::append_binary_number(context.replies.text, request, request.binary.initial,
                                   context.show_cas(*made));
}

}  // namespace

void run_binary_get(CommandContext& context, net::Operation& operation) noexcept {
    if (const auto found = get_item(context, operation)) {
        reply_hit(context, operation, *found);
    } else {
        reply_miss(context, *operation.request);
    }
}

void run_binary_gat(CommandContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    const auto touched = touch_item(context, operation, deadline(context, request));
    if (!touched) return reply_no_memory(context, request, kNoMemoryForItem);
    if (!*touched) return reply_miss(context, request);
    reply_hit(context, operation, **touched);
}

void run_binary_touch(CommandContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    const auto touched = touch_item(context, operation, deadline(context, request));
    if (!touched) return reply_no_memory(context, request, kNoMemoryForItem);
    if (!*touched) return reply_miss(context, request);
    const Handle& item = **touched;
    protocol::append_binary_value_head(context.replies.text, request, item.view.client_flags, 0,
                                       context.show_cas(item));
}

void run_binary_store(CommandContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    // Without CAS values (-C) an item to be stored cannot carry one to compare, as in memcached.
    const bool compare = request.binary.cas != 0 && context.limits.cas_enabled;
    // A CAS makes set, add and replace the same: a store over the item that has it.
    const bool plain_cas = compare && !joins(request.verb);
    const StoreOrder order{.mode = plain_cas ? StoreMode::Set : mode_of(request.verb),
                           .compare = compare,
                           .compare_cas = request.binary.cas,
                           .client_flags = request.client_flags,
                           .exptime = deadline(context, request),
                           .unlink_on_refusal = request.verb == Verb::BinarySet};
    const StoreResult result = store_item(context, operation, order);
    switch (result.outcome) {
        case StoreOutcome::Stored:
            return reply_changed(context, request, result.item);
        case StoreOutcome::NoMemory:
            return reply_no_memory(context, request, kNoMemoryForItem);
        default:
            return reply_error(context, request, refusal_status(request.verb, result.outcome));
    }
}

void run_binary_delete(CommandContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    switch (delete_item(context, operation, request.binary.cas)) {
        case DeleteOutcome::Deleted:
            if (!request.no_reply) protocol::append_binary_success(context.replies.text, request);
            return;
        case DeleteOutcome::NotFound:
            return reply_error(context, request, BinaryStatus::NotFound);
        case DeleteOutcome::Exists:
            return reply_error(context, request, BinaryStatus::Exists);
    }
}

void run_binary_delta(CommandContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    const bool decrement = request.verb == Verb::BinaryDecrement;
    const DeltaResult result = change_number(context, operation,
                                             {.decrement = decrement,
                                              .delta = request.number,
                                              .compare = request.binary.cas != 0,
                                              .compare_cas = request.binary.cas});
    switch (result.outcome) {
        case DeltaOutcome::Done:
            if (request.no_reply) return;
            return protocol::append_binary_number(context.replies.text, request, result.number,
                                                  context.show_cas(result.item));
        case DeltaOutcome::NotFound:
            if (request.binary.create) return begin_counting(context, operation);
            count_delta(context, decrement, false);
            return reply_error(context, request, BinaryStatus::NotFound);
        case DeltaOutcome::Exists:
            return reply_error(context, request, BinaryStatus::Exists);
        case DeltaOutcome::NotNumeric:
            return reply_error(context, request, BinaryStatus::NotNumeric);
        case DeltaOutcome::NoMemory:
            return reply_no_memory(context, request, kNoMemoryForNumber);
    }
}

}  // namespace shardmill::engine
