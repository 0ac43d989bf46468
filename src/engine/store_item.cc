#include "engine/store_item.h"

#include <expected>
#include <optional>

namespace shardmill::engine {

namespace {

using protocol::StoreMode;
using store::Handle;
using store::ItemHeader;
using store::StoreError;

/// The value of a storage command, wherever it arrived: in the receive buffer, or in space of its
/// own in the log, which is given up unless it was linked.
class IncomingValue {
 public:
    IncomingValue(CommandContext& context, const net::Operation& operation) noexcept
        : context_(context), bytes_(operation.request->value) {
        if (!operation.uploaded) return;
        if (operation.upload.value == nullptr) {
            refusal_ = static_cast<StoreError>(operation.upload.token);
            return;
        }
        reservation_ = context.uploads.take(operation.upload.token).reservation;
        bytes_ = {reservation_->value, reservation_->value_bytes};
    }
    ~IncomingValue() {
        if (reservation_) context_.shard.abandon(*reservation_);
    }
    IncomingValue(const IncomingValue&) = delete;
    IncomingValue& operator=(const IncomingValue&) = delete;

    std::string_view bytes() const noexcept { return bytes_; }
    std::optional<StoreError> refusal() const noexcept { return refusal_; }

    /// Makes the value `item`'s and stores it.
    std::expected<Handle, StoreError> store_as(store::NewItem& item,
                                               const Handle* existing) noexcept {
        if (!reservation_) {
            item.value_head = bytes_;
            return context_.shard.put(item, existing, context_.now);
        }
        const store::Reservation reservation = *reservation_;
        reservation_.reset();
        return context_.shard.commit(reservation, item, existing, context_.now);
    }

 private:
    CommandContext& context_;
    std::string_view bytes_;
    std::optional<store::Reservation> reservation_;
    std::optional<StoreError> refusal_;
};

constexpr bool joins(StoreMode mode) noexcept {
    return mode == StoreMode::Append || mode == StoreMode::Prepend;
}

/// What becomes of the order, given the key's present item.
enum class Verdict : std::uint8_t { Replace, ReplaceStale, Join, NotStored, Exists, NotFound };

Verdict judge_missing(const CommandContext& context, const StoreOrder& order) noexcept {
    switch (order.mode) {
        case StoreMode::Add:
            return Verdict::Replace;
        case StoreMode::Append:
        case StoreMode::Prepend:
            return order.vivify ? Verdict::Replace : Verdict::NotStored;
        case StoreMode::Set:
        case StoreMode::Replace:
            break;
    }
    if (order.compare) {
        context.count(Counter::CasMisses);
        return Verdict::NotFound;
    }
    return order.mode == StoreMode::Set ? Verdict::Replace : Verdict::NotStored;
}

Verdict judge_present(const CommandContext& context, const StoreOrder& order,
                      const Handle& found) noexcept {
    if (order.mode == StoreMode::Add) {
        context.shard.bump(found, context.now);
        return Verdict::NotStored;
    }
    const std::uint64_t cas = context.cas_of(found);
    if (joins(order.mode)) {
        // 0 names no item: it compares with nothing here, and equals nothing below.
        const bool differs = order.compare && order.compare_cas != 0 && order.compare_cas != cas;
        return differs ? Verdict::Exists : Verdict::Join;
    }
    if (!order.compare) return Verdict::Replace;
    if (order.compare_cas == cas && cas != 0) {
        context.count(Counter::CasHits);
        return Verdict::Replace;
    }
    if (order.accept_older && order.compare_cas != 0 && order.compare_cas < cas) {
        context.count(Counter::CasHits);
        return Verdict::ReplaceStale;
    }
    context.count(Counter::CasBadval);
    return Verdict::Exists;
}

std::string_view command_name(const StoreOrder& order) noexcept {
    switch (order.mode) {
        case StoreMode::Add:
            return "add";
        case StoreMode::Append:
            return "append";
        case StoreMode::Prepend:
            return "prepend";
        case StoreMode::Replace:
            return order.compare ? "cas" : "replace";
        case StoreMode::Set:
            break;
    }
    return order.compare ? "cas" : "set";
}

std::string_view status_name(StoreOutcome outcome) noexcept {
    switch (outcome) {
        case StoreOutcome::Stored:
            return "stored";
        case StoreOutcome::Exists:
            return "exists";
        case StoreOutcome::NotFound:
            return "not_found";
        default:
            break;
    }
    return "not_stored";
}

/// What has become of a value that there was room for.
void log_result(const CommandContext& context, const net::Operation& operation,
                const StoreOrder& order, const StoreResult& result) noexcept {
    const bool stored = result.outcome == StoreOutcome::Stored;
    log_store(context, operation, status_name(result.outcome), command_name(order),
              stored ? result.item.view.exptime : order.exptime,
              stored ? result.item.view.value.size() : operation.request->value_bytes);
}

void log_refusal(const CommandContext& context, const net::Operation& operation,
                 const StoreOrder& order, bool too_large) noexcept {
    context.log.item_store(operation, {.status = too_large ? "too_large" : "no_memory",
                                       .command = command_name(order)});
}

StoreResult refuse(CommandContext& context, const net::Operation& operation,
                   const StoreOrder& order, StoreError error) noexcept {
    const bool too_large = error == StoreError::TooLarge;
    context.count(too_large ? Counter::StoreTooLarge : Counter::StoreNoMemory);
    if (context.log.wants(Stream::Mutations)) [[unlikely]]
        log_refusal(context, operation, order, too_large);
    if (order.unlink_on_refusal) {
        const auto old = find_item(context, operation);
        if (old) context.shard.erase(*old);
    }
    return {too_large ? StoreOutcome::TooLarge : StoreOutcome::NoMemory, {}};
}

/// append and prepend: the joined value under the old item's flags and deadline.
std::expected<Handle, StoreError> join(CommandContext& context, const StoreOrder& order,
                                       store::NewItem& item, const IncomingValue& value,
                                       const Handle& found) noexcept {
    const store::ItemView& old = found.view;
    const std::uint64_t joined = old.value.size() + value.bytes().size();
    if (context.limits.item_bytes(old.key.size(), joined, old.client_flags) >
        context.limits.item_bytes_max) {
        return std::unexpected(StoreError::TooLarge);
    }
    const bool append = order.mode == StoreMode::Append;
    item.value_head = append ? old.value : value.bytes();
    item.value_tail = append ? value.bytes() : old.value;
    item.client_flags = old.client_flags;
    item.exptime = old.exptime;
    item.header_bits = old.header.word & ItemHeader::kBinaryKey;
    return context.shard.put(item, &found, context.now);
}

StoreResult carry_out(CommandContext& context, net::Operation& operation,
                      const StoreOrder& order) noexcept {
    const protocol::Request& request = *operation.request;
    IncomingValue value(context, operation);
    const auto bytes =
        context.limits.item_bytes(operation.key.size(), request.value_bytes, order.client_flags);
    if (bytes > context.limits.item_bytes_max) {
        return refuse(context, operation, order, StoreError::TooLarge);
    }
    if (value.refusal()) return refuse(context, operation, order, *value.refusal());
    context.count(Counter::CmdSet);
    if (request.bad_data_chunk) return {StoreOutcome::BadData, {}};

    const auto found = find_item(context, operation);
    const Verdict verdict =
        found ? judge_present(context, order, *found) : judge_missing(context, order);
    store::NewItem item{.key = hashed_key(operation),
                        .client_flags = order.client_flags,
                        .exptime = order.exptime,
                        .cas = order.new_cas,
                        .header_bits = order.header_bits};
    std::expected<Handle, StoreError> stored = std::unexpected(StoreError::NoMemory);
    switch (verdict) {
        case Verdict::NotStored:
            return {StoreOutcome::NotStored, {}};
        case Verdict::Exists:
            return {StoreOutcome::Exists, {}};
        case Verdict::NotFound:
            return {StoreOutcome::NotFound, {}};
        case Verdict::Join:
            stored = join(context, order, item, value, *found);
            // Each part was small enough: only their sum is not, which is not the value's fault.
            if (!stored && stored.error() == StoreError::TooLarge) {
                return {StoreOutcome::NotStored, {}};
            }
            break;
        case Verdict::ReplaceStale:
            item.exptime = found->view.exptime;
            item.header_bits |= ItemHeader::kStale | (found->view.header.word & ItemHeader::kWin);
            stored = value.store_as(item, &*found);
            break;
        case Verdict::Replace:
            if (joins(order.mode)) item.exptime = order.vivify_exptime;
            stored = value.store_as(item, found ? &*found : nullptr);
            break;
    }
    if (!stored) {
        // Only a set that has found room for its value counts as one.
        if (verdict != Verdict::Join) context.counters.take_back(Counter::CmdSet);
        return refuse(context, operation, order, stored.error());
    }
    return {StoreOutcome::Stored, *stored};
}

}  // namespace

StoreResult store_item(CommandContext& context, net::Operation& operation,
                       const StoreOrder& order) noexcept {
    const StoreResult result = carry_out(context, operation, order);
    if (context.log.wants(Stream::Mutations) && result.outcome < StoreOutcome::BadData) [[unlikely]]
        log_result(context, operation, order, result);
    return result;
}

void log_store(const CommandContext& context, const net::Operation& operation,
               std::string_view status, std::string_view command, base::UnixSeconds exptime,
               std::uint64_t value_bytes) noexcept {
    const std::int64_t ttl = exptime == 0 ? 0 : std::int64_t{exptime} - context.now;
    context.log.item_store(operation, {.status = status,
                                       .command = command,
                                       .ttl = ttl,
                                       .item_class = kItemClass,
                                       .value_bytes = value_bytes});
}

}  // namespace shardmill::engine
