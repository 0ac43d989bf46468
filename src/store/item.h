#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/assert.h"

namespace shardmill::store {

/// The 32-bit word every item starts with, little endian. Layout (final, stored in the log):
///
///     key bytes:8 | value bytes:15 (0x7fff: a u32 length follows) | has_exptime | has_flags |
///     has_cas | cas_seen | dead | hit | stale | win | binary key
///
/// Behind it only what the item has: [u32 value bytes] [u32 exptime] [u32 client flags] [u64 cas]
/// key value, padded to four bytes.
struct ItemHeader {
    static constexpr std::uint32_t kLongValue = 0x7fff;
    static constexpr unsigned kValueShift = 8;
    static constexpr std::uint32_t kHasExptime = 1u << 23;
    static constexpr std::uint32_t kHasFlags = 1u << 24;
    static constexpr std::uint32_t kHasCas = 1u << 25;
    static constexpr std::uint32_t kCasSeen =
        1u << 26;  // a client was shown the CAS: it must survive a move
    static constexpr std::uint32_t kDead = 1u << 27;   // replaced or deleted; skipped by every walk
    static constexpr std::uint32_t kHit = 1u << 28;    // fetched before its last move
    static constexpr std::uint32_t kStale = 1u << 29;  // meta: marked stale
    static constexpr std::uint32_t kWin = 1u << 30;    // meta: the win token has been handed out
    static constexpr std::uint32_t kBinaryKey = 1u << 31;

    std::uint32_t word;

    std::uint32_t key_bytes() const noexcept { return word & 0xff; }
    std::uint32_t short_value_bytes() const noexcept { return word >> kValueShift & kLongValue; }
    bool has(std::uint32_t bit) const noexcept { return (word & bit) != 0; }
    std::uint32_t prefix_bytes() const noexcept {
        return 4 + (short_value_bytes() == kLongValue ? 4 : 0) + (has(kHasExptime) ? 4 : 0) +
               (has(kHasFlags) ? 4 : 0) + (has(kHasCas) ? 8 : 0);
    }
};
static_assert(sizeof(ItemHeader) == 4);

inline constexpr std::uint32_t kItemAlign = 4;
inline constexpr std::uint32_t round_item(std::uint64_t bytes) noexcept {
    return static_cast<std::uint32_t>((bytes + kItemAlign - 1) & ~std::uint64_t{kItemAlign - 1});
}

/// A decoded item. Views point into the log: valid under the shard's lock, or as long as the
/// segment is pinned.
struct ItemView {
    std::string_view key;
    std::string_view value;
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;  // unix seconds, 0: never
    std::uint64_t cas = 0;      // explicit, or derived from segment sequence and offset
    ItemHeader header{};
    std::uint32_t bytes = 0;  // in the log, header and padding included

    bool expired(std::uint32_t now) const noexcept { return exptime != 0 && exptime <= now; }
};

/// Decodes the item at `item`. `derived_cas` is used unless the item carries its own.
inline ItemView decode_item(const char* item, std::uint64_t derived_cas) noexcept {
    ItemView view;
    // Relaxed atomic: cas_seen may be set by a reactor while a scan walks the pinned segment.
    view.header.word =
        std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(const_cast<char*>(item)))
            .load(std::memory_order_relaxed);
    const char* at = item + 4;
    const auto take_u32 = [&at]() noexcept {
        std::uint32_t value;
        std::memcpy(&value, at, 4);
        at += 4;
        return value;
    };
    std::uint32_t value_bytes = view.header.short_value_bytes();
    if (value_bytes == ItemHeader::kLongValue) value_bytes = take_u32();
    if (view.header.has(ItemHeader::kHasExptime)) view.exptime = take_u32();
    if (view.header.has(ItemHeader::kHasFlags)) view.client_flags = take_u32();
    view.cas = derived_cas;
    if (view.header.has(ItemHeader::kHasCas)) {
        std::memcpy(&view.cas, at, 8);
        at += 8;
    }
    view.key = {at, view.header.key_bytes()};
    view.value = {at + view.key.size(), value_bytes};
    view.bytes = round_item(static_cast<std::uint64_t>(at - item) + view.key.size() + value_bytes);
    return view;
}

}  // namespace shardmill::store
