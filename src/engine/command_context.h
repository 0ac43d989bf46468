#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "engine/counters.h"
#include "engine/event_log.h"
#include "engine/upload_table.h"
#include "net/executor.h"
#include "protocol/request.h"
#include "store/shard.h"

namespace shardmill::engine {

/// What the command handlers need to know of the configuration.
struct CommandLimits {
    std::uint64_t item_bytes_max = 0;  // -I, in memcached's way of counting: see item_bytes()
    base::UnixSeconds started_at = 0;
    bool cas_enabled = true;  // false: items have no CAS value that a client could know

    /// The size of an item as memcached 1.6 counts it: 48 bytes of header, the key and a NUL, the
    /// CAS, client flags other than 0, the value and its CR LF. What clients may store is limited
    /// by this figure, and `me` shows it.
    constexpr std::uint64_t item_bytes(std::uint64_t key_bytes, std::uint64_t value_bytes,
                                       std::uint32_t client_flags) const noexcept {
        return 48 + key_bytes + 1 + (cas_enabled ? 8 : 0) + (client_flags != 0 ? 4 : 0) +
               value_bytes + 2;
    }
};

/// What the shards are to keep a histogram of: sizes in memcached's way of counting. nullopt
/// without -o track_sizes.
inline std::optional<store::SizeHistogram::Sizes> tracked_sizes(const CommandLimits& limits,
                                                                bool track_sizes) noexcept {
    if (!track_sizes) return std::nullopt;
    const auto overhead = static_cast<std::uint32_t>(limits.item_bytes(0, 0, 0));
    const auto flags_bytes = static_cast<std::uint32_t>(limits.item_bytes(0, 0, 1)) - overhead;
    return store::SizeHistogram::Sizes{overhead, flags_bytes, limits.item_bytes_max};
}

/// What a command with a key works with: the shard that holds the key, locked, and where the reply
/// goes. Lives for as long as the lock is held; reactor thread.
struct CommandContext {
    store::Shard& shard;
    base::UnixSeconds now;
    Counters& counters;
    UploadTable& uploads;
    net::ReplyArena& replies;
    const CommandLimits& limits;
    EventLog& log;

    void count(Counter counter) const noexcept { counters.add(counter); }

    /// An item's CAS value as clients know it: 0, which equals no item's, where that is disabled.
    std::uint64_t cas_of(const store::Handle& handle) const noexcept {
        return limits.cas_enabled ? handle.view.cas : 0;
    }
    /// The same for a reply: from now on the item keeps it.
    std::uint64_t show_cas(const store::Handle& handle) const noexcept {
        return limits.cas_enabled ? shard.show_cas(handle) : 0;
    }
};

inline store::HashedKey hashed_key(const net::Operation& operation) noexcept {
    return {operation.key, operation.hash, operation.slot};
}

/// Tells watchers of a get. Looks a hit up again: a handle that nobody else is shown need not be
/// put together in memory.
void log_fetch(const CommandContext& context, const net::Operation& operation, bool hit,
               store::Shard::Miss why) noexcept;

/// The live item of the operation's key. That it has expired or was flushed is counted here, for
/// whatever command came across it.
[[gnu::always_inline]] inline std::optional<store::Handle> find_item(
    const CommandContext& context, const net::Operation& operation) noexcept {
    store::Shard::Miss why{};
    auto found = context.shard.find(hashed_key(operation), context.now, &why);
    if (!found) [[unlikely]] {
        if (why == store::Shard::Miss::Expired) context.count(Counter::GetExpired);
        if (why == store::Shard::Miss::Flushed) context.count(Counter::GetFlushed);
    }
    if (context.log.wants(Stream::Fetchers)) [[unlikely]]
        log_fetch(context, operation, found.has_value(), why);
    return found;
}

/// The one slab class that tools are shown, the highest that memcached has by default, and the
/// number of those it can have at most, 0 (its free pages) included.
inline constexpr std::uint32_t kItemClass = 1;
inline constexpr std::uint32_t kLargestClass = 39;
inline constexpr std::uint32_t kClassesMax = 64;

/// Values from this size on are sent from the log instead of being copied into the reply.
inline constexpr std::size_t kPinnedValueBytes = 16 * 1024;

/// A turn whose replies have grown this large copies hardly anything any more: a few bytes of
/// request can ask for the same value thousands of times.
inline constexpr std::size_t kLargeReplies = 8u << 20;
inline constexpr std::size_t kPinnedInLargeReplies = 512;

inline bool is_copied(const CommandContext& context, std::size_t value_bytes) noexcept {
    if (context.replies.text.size() < kLargeReplies) [[likely]]
        return value_bytes < kPinnedValueBytes;
    return value_bytes < kPinnedInLargeReplies;
}

/// Keeps `value`, which lies in `segment`, in place for sending and notes where in the reply it
/// belongs; the CR LF behind it is left to the caller.
void pin_value(CommandContext& context, net::Operation& operation, std::uint32_t segment,
               std::string_view value);

}  // namespace shardmill::engine
