#include <algorithm>
#include <array>
#include <string_view>

#include "base/number.h"
#include "engine/commands.h"
#include "engine/delta.h"
#include "engine/exptime.h"
#include "engine/meta_flags.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::MetaFlags;
using protocol::MetaItem;
using protocol::MetaStatus;
using store::Handle;
using store::ItemHeader;

/// A shorter number is padded with blanks to the length of the value it replaces, up to this
/// length; beyond, the value is a number lost in blanks and shrinks to the number.
constexpr std::size_t kPaddedMax = 512;

struct DeltaOrder {
    bool decrement = false;
    std::uint64_t delta = 1;
    bool compare = false;
    std::uint64_t compare_cas = 0;
    std::uint64_t new_cas = 0;  // 0: the store's own
};

enum class DeltaOutcome : std::uint8_t { Done, NotFound, Exists, NotNumeric, NoMemory };

struct DeltaResult {
    DeltaOutcome outcome = DeltaOutcome::NotFound;
    std::uint64_t number = 0;  // Done only, as the item
    Handle item;
};

/// Writes the new number: in place where that is allowed, else as a new item. Keeps flags and
/// deadline.
std::expected<Handle, store::StoreError> write_number(CommandContext& context,
                                                      const net::Operation& operation,
                                                      const Handle& found, std::uint64_t number,
                                                      std::uint64_t new_cas) noexcept {
    const store::ItemView& old = found.view;
    std::array<char, kPaddedMax> text;
    std::size_t length =
        static_cast<std::size_t>(base::write_number(text.data(), number) - text.data());
    std::uint32_t bits = ItemHeader::kBinaryKey;
    if (length <= old.value.size() && old.value.size() <= kPaddedMax) {
        std::fill(text.begin() + length, text.begin() + old.value.size(), ' ');
        length = old.value.size();
        bits |= ItemHeader::kStale | ItemHeader::kWin;  // the same item with another number in it
        if (new_cas == 0 && context.shard.overwrite_value(found, {text.data(), length}))
            return found;
    }
    const store::NewItem item{.key = hashed_key(operation),
                              .value_head = {text.data(), length},
                              .client_flags = old.client_flags,
                              .exptime = old.exptime,
                              .cas = new_cas,
                              .header_bits = old.header.word & bits};
    return context.shard.put(item, &found, context.now);
}

void count_delta(const CommandContext& context, bool decrement, bool hit) noexcept {
    static constexpr Counter kTable[2][2] = {{Counter::IncrMisses, Counter::IncrHits},
                                             {Counter::DecrMisses, Counter::DecrHits}};
    context.count(kTable[decrement][hit]);
}

DeltaResult change_number(CommandContext& context, const net::Operation& operation,
                          const DeltaOrder& order) noexcept {
    const auto found = context.shard.find(hashed_key(operation), context.now);
    if (!found) return {DeltaOutcome::NotFound, 0, {}};
    if (found->view.value.empty()) return {DeltaOutcome::NotNumeric, 0, {}};
    if (order.compare && order.compare_cas != 0 && order.compare_cas != context.cas_of(*found)) {
        return {DeltaOutcome::Exists, 0, {}};
    }
    const auto number = parse_counter(found->view.value);
    if (!number) return {DeltaOutcome::NotNumeric, 0, {}};
    count_delta(context, order.decrement, true);
    const std::uint64_t changed = apply_delta(*number, order.delta, order.decrement);
    const auto written = write_number(context, operation, *found, changed, order.new_cas);
    if (!written) {
        context.count(Counter::StoreNoMemory);
        return {DeltaOutcome::NoMemory, 0, {}};
    }
    // A counter in use is worth keeping, whether or not anybody reads it otherwise.
    context.shard.bump(*written, context.now);
    return {DeltaOutcome::Done, changed, *written};
}

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
    std::array<char, base::kMaxNumberText> text;
    const char* const end = base::write_number(text.data(), flags.initial);
    const store::NewItem fresh{.key = hashed_key(operation),
                               .value_head = {text.data(), end},
                               .exptime = touch_last ? touched : vivified,
                               .cas = flags.has('E') ? flags.new_cas : 0};
    const auto stored = context.shard.put(fresh, nullptr, context.now);
    if (!stored) {
        context.count(Counter::StoreNoMemory);
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
