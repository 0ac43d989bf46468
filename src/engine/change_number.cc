#include "engine/change_number.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/number.h"
#include "engine/delta.h"
#include "engine/store_item.h"

namespace shardmill::engine {

namespace {

using store::Handle;
using store::ItemHeader;

/// memcached keeps larger items in chunks, and takes none of them for a number.
constexpr std::uint64_t kNumericItemMax = 512 * 1024;

/// Writes the new number: in place where that is allowed, else as a new item. Keeps flags and
/// deadline. A shorter number is padded with blanks to the length of the value it replaces.
std::expected<Handle, store::StoreError> write_number(CommandContext& context,
                                                      const net::Operation& operation,
                                                      const Handle& found, std::uint64_t number,
                                                      std::uint64_t new_cas) noexcept {
    const store::ItemView& old = found.view;
    std::array<char, base::kMaxNumberText> text;
    const std::string_view digits(text.data(), base::write_number(text.data(), number));
    std::uint32_t bits = ItemHeader::kBinaryKey;
    std::size_t blanks = 0;
    const bool fits = digits.size() <= old.value.size();
    if (fits) {
        blanks = old.value.size() - digits.size();
        bits |= ItemHeader::kStale | ItemHeader::kWin;  // the same item with another number in it
        if (new_cas == 0 && context.shard.overwrite_value(found, digits)) return found;
    }
    const store::NewItem item{.key = hashed_key(operation),
                              .value_head = digits,
                              .value_blanks = static_cast<std::uint32_t>(blanks),
                              .client_flags = old.client_flags,
                              .exptime = old.exptime,
                              .cas = new_cas,
                              .header_bits = old.header.word & bits};
    const auto written = context.shard.put(item, &found, context.now);
    if (written && fits) context.shard.count_as_change();
    return written;
}

/// The lines of a number that is made because there was none: to memcached that is an `add`.
void log_made(const CommandContext& context, const net::Operation& operation,
              const std::expected<Handle, store::StoreError>& made) noexcept {
    EventLog& log = context.log;
    if (log.wants(Stream::Fetchers)) {
        log.item_get(operation, nullptr, store::Shard::Miss::NotFound);
    }
    if (!made || !log.wants(Stream::Mutations)) return;
    const store::ItemView& item = made->view;
    log_store(context, operation, "stored", "add", item.exptime, item.value.size());
}

}  // namespace

void count_delta(const CommandContext& context, bool decrement, bool hit) noexcept {
    static constexpr Counter kTable[2][2] = {{Counter::IncrMisses, Counter::IncrHits},
                                             {Counter::DecrMisses, Counter::DecrHits}};
    context.count(kTable[decrement][hit]);
}

DeltaResult change_number(CommandContext& context, const net::Operation& operation,
                          const DeltaOrder& order) noexcept {
    const auto found = find_item(context, operation);
    if (!found) return {DeltaOutcome::NotFound, 0, {}};
    const store::ItemView& view = found->view;
    if (view.value.empty() || context.limits.item_bytes(view.key.size(), view.value.size(),
                                                        view.client_flags) > kNumericItemMax) {
        return {DeltaOutcome::NotNumeric, 0, {}};
    }
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

std::expected<Handle, store::StoreError> make_number(CommandContext& context,
                                                     const net::Operation& operation,
                                                     std::uint64_t number,
                                                     base::UnixSeconds exptime,
                                                     std::uint64_t cas) noexcept {
    std::array<char, base::kMaxNumberText> text;
    const char* const end = base::write_number(text.data(), number);
    const store::NewItem fresh{.key = hashed_key(operation),
                               .value_head = {text.data(), end},
                               .exptime = exptime,
                               .cas = cas};
    const auto stored = context.shard.put(fresh, nullptr, context.now);
    if (!stored) context.count(Counter::StoreNoMemory);
    if (context.log.active()) [[unlikely]]
        log_made(context, operation, stored);
    return stored;
}

}  // namespace shardmill::engine
