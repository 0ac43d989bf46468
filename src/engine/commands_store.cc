#include <string_view>

#include "engine/commands.h"
#include "engine/exptime.h"
#include "engine/store_item.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::MetaFlags;
using protocol::MetaStatus;
using protocol::StoreMode;
using protocol::Verb;

constexpr StoreMode mode_of(Verb verb) noexcept {
    switch (verb) {
        case Verb::Add:
            return StoreMode::Add;
        case Verb::Replace:
            return StoreMode::Replace;
        case Verb::Append:
            return StoreMode::Append;
        case Verb::Prepend:
            return StoreMode::Prepend;
        default:
            return StoreMode::Set;
    }
}

std::string_view classic_reply(StoreOutcome outcome) noexcept {
    switch (outcome) {
        case StoreOutcome::Stored:
            return protocol::replies::kStored;
        case StoreOutcome::NotStored:
            return protocol::replies::kNotStored;
        case StoreOutcome::Exists:
            return protocol::replies::kExists;
        case StoreOutcome::NotFound:
            return protocol::replies::kNotFound;
        case StoreOutcome::BadData:
            return protocol::replies::kBadChunk;
        case StoreOutcome::TooLarge:
            return protocol::replies::kTooLarge;
        case StoreOutcome::NoMemory:
            break;
    }
    return protocol::replies::kNoMemory;
}

/// The status of a meta reply; `outcome` is none of the errors.
MetaStatus meta_status(StoreOutcome outcome) noexcept {
    switch (outcome) {
        case StoreOutcome::Stored:
            return MetaStatus::Done;
        case StoreOutcome::Exists:
            return MetaStatus::Exists;
        case StoreOutcome::NotFound:
            return MetaStatus::NotFound;
        default:
            return MetaStatus::NotStored;
    }
}

constexpr bool is_error(StoreOutcome outcome) noexcept { return outcome >= StoreOutcome::BadData; }

StoreOrder meta_order(const CommandContext& context, const protocol::Request& request) noexcept {
    const MetaFlags& flags = request.meta;
    const auto deadline = [&context](std::int32_t exptime) noexcept {
        return deadline_of(exptime, context.now, context.limits.started_at);
    };
    return {.mode = flags.mode,
            .compare = flags.has('C'),
            .accept_older = flags.has('I'),
            .compare_cas = flags.compare_cas,
            .new_cas = flags.has('E') ? flags.new_cas : 0,
            .client_flags = flags.has('F') ? flags.client_flags : 0,
            .exptime = flags.has('T') ? deadline(flags.ttl) : kNever,
            .vivify = flags.has('N'),
            .vivify_exptime = flags.has('N') ? deadline(flags.vivify_ttl) : kNever,
            .header_bits = request.binary_key ? store::ItemHeader::kBinaryKey : 0,
            .unlink_on_refusal = true};
}

}  // namespace

void run_store(CommandContext& context, net::Operation& operation) noexcept {
    const protocol::Request& request = *operation.request;
    const StoreOrder order{
        .mode = mode_of(request.verb),
        .compare = request.verb == Verb::Cas,
        .compare_cas = request.number,
        .client_flags = request.client_flags,
        .exptime = deadline_of(request.exptime, context.now, context.limits.started_at),
        .unlink_on_refusal = request.verb == Verb::Set};
    const StoreResult result = store_item(context, operation, order);
    if (!request.no_reply) context.replies.text.append(classic_reply(result.outcome));
}

void run_meta_set(CommandContext& context, net::Operation& operation) noexcept {
    const protocol::Request& request = *operation.request;
    const StoreResult result = store_item(context, operation, meta_order(context, request));
    if (is_error(result.outcome)) {
        context.replies.text.append(classic_reply(result.outcome));
        return;
    }
    std::uint64_t cas = 0;
    std::uint32_t value_bytes = request.value_bytes;
    if (result.outcome == StoreOutcome::Stored) {
        if (request.meta.has('c')) cas = context.show_cas(result.item);
        value_bytes = static_cast<std::uint32_t>(result.item.view.value.size());
    }
    protocol::append_meta_store(context.replies.text, request, meta_status(result.outcome), cas,
                                value_bytes);
}

}  // namespace shardmill::engine
