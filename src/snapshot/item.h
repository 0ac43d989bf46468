#pragma once

#include <cstdint>
#include <string_view>

#include "store/item.h"

namespace shardmill::snapshot {

/// What a snapshot keeps of an item; for a result, one row (key and value only). Views: for a
/// writer valid during the call, from a reader valid until the visitor returns.
struct Item {
    std::string_view key{};
    std::string_view value{};
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;      // unix seconds, 0: never
    std::uint64_t cas = 0;          // 0: no client has seen one, the store derives a new one
    std::uint32_t header_bits = 0;  // of store::ItemHeader kStale, kWin, kBinaryKey, kHit

    bool operator==(const Item&) const = default;
};

inline constexpr std::uint32_t kKeptHeaderBits =
    store::ItemHeader::kStale | store::ItemHeader::kWin | store::ItemHeader::kBinaryKey |
    store::ItemHeader::kHit;

/// The item as a scan sees it. A derived CAS that no client was shown is not kept.
inline Item item_of(const store::ItemView& view) noexcept {
    const bool keep_cas = view.header.has(store::ItemHeader::kHasCas | store::ItemHeader::kCasSeen);
    return {.key = view.key,
            .value = view.value,
            .client_flags = view.client_flags,
            .exptime = view.exptime,
            .cas = keep_cas ? view.cas : 0,
            .header_bits = view.header.word & kKeptHeaderBits};
}

}  // namespace shardmill::snapshot
