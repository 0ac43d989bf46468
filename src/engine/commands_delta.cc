#include <expected>

#include "engine/change_number.h"
#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/meta_flags.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::MetaFlags;
using protocol::MetaItem;
using protocol::MetaStatus;
using store::Handle;

/// ma with N on a missing key: the item is made with the initial number.
void vivify_number(CommandContext& context, const net::Operation& operation) noexcept {
    const protocol::Request& request = *operation.request;
    const MetaFlags& flags = request.meta;
    const auto deadline = [&context](std::int32_t exptime) noexcept {
        return deadline_of(exptime, context.now, context.limits.started_at);
    };
    const auto vivified = deadline(flags.vivify_ttl);
    const auto touched = flags.has('T') ? deadline(flags.ttl) : kNever;
    const bool touch_last = flags.has('T') && flag_precedes(flags, 'N', 'T');
    const auto stored =
        make_number(context, operation, flags.initial, touch_last ? touched : vivified,
                    flags.has('E') ? flags.new_cas : 0);
    if (!stored) {
        context.replies.text.append(protocol::replies::kNoMemoryMetaDelta);
        return;
    }
    MetaItem item{.created = true};
    if (flags.has('c')) item.cas = context.show_cas(*stored);
    item.touched_ttl = seconds_left(touched, context.now);
    item.vivified_ttl = seconds_left(vivified, context.now);
    protocol::append_meta_number(context.replies.text, request, item, flags.initial);
}

/// The reply of a successful ma; T sets the deadline now.
void finish_arithmetic(CommandContext& context, const net::Operation& operation,
                       const DeltaResult& result) noexcept {
    const protocol::Request& request = *operation.request;
    const MetaFlags& flags = request.meta;
    MetaItem item{.ttl = seconds_left(result.item.view.exptime, context.now)};
    std::expected<Handle, store::StoreError> handle = result.item;
    if (flags.has('T')) {
        const auto touched = deadline_of(flags.ttl, context.now, context.limits.started_at);
        item.touched_ttl = seconds_left(touched, context.now);
        handle = context.shard.set_exptime(result.item, touched, context.now);
    }
    if (!handle) {
        context.count(Counter::StoreNoMemory);
        context.replies.text.append(protocol::replies::kNoMemoryDelta);
        return;
    }
    if (flags.has('c')) item.cas = context.show_cas(*handle);
    protocol::append_meta_number(context.replies.text, request, item, result.number);
}

}  // namespace

void run_delta(CommandContext& context, net::Operation& operation) noexcept {
    const protocol::Request& request = *operation.request;
    const bool decrement = request.verb == protocol::Verb::Decr;
    const DeltaResult result =
        change_number(context, operation, {.decrement = decrement, .delta = request.number});
    if (result.outcome == DeltaOutcome::NotFound) count_delta(context, decrement, false);
    if (request.no_reply) return;
    std::string& text = context.replies.text;
    switch (result.outcome) {
        case DeltaOutcome::Done:
            protocol::append_number_line(text, result.number);
            break;
        case DeltaOutcome::NotFound:
            text.append(protocol::replies::kNotFound);
            break;
        case DeltaOutcome::Exists:
            text.append(protocol::replies::kExists);
            break;
        case DeltaOutcome::NotNumeric:
            text.append(protocol::replies::kNotNumeric);
            break;
        case DeltaOutcome::NoMemory:
            text.append(protocol::replies::kNoMemoryDelta);
            break;
    }
}

void run_meta_arithmetic(CommandContext& context, net::Operation& operation) noexcept {
    const protocol::Request& request = *operation.request;
    const MetaFlags& flags = request.meta;
    const DeltaOrder order{.decrement = flags.decrement,
                           .delta = flags.delta,
                           .compare = flags.has('C'),
                           .compare_cas = flags.compare_cas,
                           .new_cas = flags.has('E') ? flags.new_cas : 0};
    const DeltaResult result = change_number(context, operation, order);
    std::string& text = context.replies.text;
    switch (result.outcome) {
        case DeltaOutcome::Done:
            return finish_arithmetic(context, operation, result);
        case DeltaOutcome::NotFound:
            if (flags.has('N')) return vivify_number(context, operation);
            count_delta(context, flags.decrement, false);
            return protocol::append_meta_status(text, request, MetaStatus::NotFound);
        case DeltaOutcome::Exists:
            return protocol::append_meta_status(text, request, MetaStatus::Exists);
        case DeltaOutcome::NotNumeric:
            text.append(protocol::replies::kNotNumeric);
            return;
        case DeltaOutcome::NoMemory:
            text.append(protocol::replies::kNoMemoryDelta);
            return;
    }
}

}  // namespace shardmill::engine
