#pragma once

/// Looking a key up, inline: every request does it, and of the handle most need only a part. For
/// shard.h alone.

#include "base/short_bytes.h"
#include "store/shard.h"

namespace shardmill::store {

inline Shard::Place Shard::place_of(std::uint64_t location) const noexcept {
    // Only the first unit of a run is ever the unit of an item: a jumbo item starts its segment.
    const std::uint64_t mask = pool_.segment_bytes() - 1;
    return {static_cast<std::uint32_t>(location >> pool_.segment_shift()),
            static_cast<std::uint32_t>(location & mask)};
}

[[gnu::always_inline]] inline void Shard::fill_handle(Handle& handle, SlotRef slot,
                                                      std::uint32_t now) const noexcept {
    const std::uint64_t word = *slot;
    const Place place = place_of(Slot::location(word));
    handle.slot = slot;
    handle.item = pool_.base() + Slot::location(word);
    handle.segment = place.segment;
    handle.offset = place.offset;
    handle.view = decode_item(handle.item, derived_cas(place));
    const ItemAccess access = access_of(handle.view, word, now);
    handle.fetched_before = access.fetched;
    handle.last_access = access.last_access;
}

[[gnu::always_inline]] inline SlotRef Shard::slot_of(const HashedKey& key) noexcept {
    const auto is_it = [base = pool_.base(), wanted = key.key](std::uint64_t at) noexcept {
        const char* item = base + at;
        std::uint32_t word;
        std::memcpy(&word, item, 4);
        const ItemHeader header{word};
        return header.key_bytes() == wanted.size() &&
               base::same_bytes(item + header.prefix_bytes(), wanted.data(), wanted.size());
    };
    // Whatever slot it was, what is in it now is some item of this shard, or nothing.
    if (key.seen != nullptr) [[likely]] {
        const std::uint64_t word = *key.seen;
        if (word != 0 && is_it(Slot::location(word))) [[likely]]
            return key.seen;
    }
    return index_.find(key.hash, is_it);
}

[[gnu::always_inline]] inline std::optional<Handle> Shard::find(const HashedKey& key,
                                                                std::uint32_t now,
                                                                Miss* why) noexcept {
    check_flush(now);
    // Filled where it stays: copies of what has just been written in pieces would wait for it.
    std::optional<Handle> found;
    SlotRef slot = slot_of(key);
    Miss miss = Miss::None;
    if (slot == nullptr) {
        miss = Miss::NotFound;
    } else {
        fill_handle(found.emplace(), slot, now);
        if (found->view.expired(now)) [[unlikely]] {
            miss = Miss::Expired;
        } else if (flushing_ && (flushed(meta(found->segment)) || unused(*slot, now)))
            [[unlikely]] {
            miss = Miss::Flushed;
        }
        if (miss != Miss::None) [[unlikely]] {
            erase_found(slot);
            found.reset();
        }
    }
    if (why != nullptr) *why = miss;
    return found;
}

inline void Shard::bump(const Handle& handle, std::uint32_t now) noexcept {
    const std::uint64_t word = *handle.slot;
    const std::uint64_t frequency = std::min(Slot::frequency(word) + 1, Slot::kFrequencyMax);
    constexpr std::uint64_t kChanging = Slot::make(0, Slot::kFrequencyMax, 0xffff, 0);
    const std::uint64_t bumped = (word & ~kChanging) | Slot::make(0, frequency, stamp_now(now), 0);
    if (bumped != word) Index::store(handle.slot, bumped);
}

}  // namespace shardmill::store
