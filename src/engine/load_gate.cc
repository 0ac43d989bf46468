#include "engine/load_gate.h"

#include <algorithm>
#include <bit>

namespace shardmill::engine {
namespace {

constexpr std::uint64_t kBitsPerItem = 16;
constexpr std::uint64_t kWordsMin = 1024;

}  // namespace

void LoadGate::watch(std::uint64_t items) {
    const std::uint64_t words = std::bit_ceil(std::max(items * kBitsPerItem / 64, kWordsMin));
    table_ = std::make_unique<std::atomic<std::uint64_t>[]>(words);
    mask_ = words - 1;
    flush_at_.store(0, std::memory_order_relaxed);
    mode_.store(Mode::Watch, std::memory_order_release);
}

std::uint64_t LoadGate::memory_bytes() const noexcept {
    return table_ == nullptr ? 0 : (mask_ + 1) * sizeof(std::uint64_t);
}

LoadGate::Place LoadGate::place_of(std::uint64_t hash) const noexcept {
    // The lowest bits are the shard's number, the same for all keys of a lock.
    const std::uint64_t word = (hash >> 12) & mask_;
    return {&table_[word],
            std::uint64_t{1} << (hash >> 58) | std::uint64_t{1} << (hash >> 52 & 63)};
}

void LoadGate::note_change(std::uint64_t hash) noexcept {
    const Place place = place_of(hash);
    place.word->fetch_or(place.bits, std::memory_order_relaxed);
}

void LoadGate::note_flush(base::UnixSeconds when, base::UnixSeconds now) noexcept {
    if (flushed(now)) return;  // only a pending one is replaced
    flush_at_.store(std::max<base::UnixSeconds>(when, 1), std::memory_order_relaxed);
}

bool LoadGate::changed(std::uint64_t hash) const noexcept {
    const Place place = place_of(hash);
    return (place.word->load(std::memory_order_relaxed) & place.bits) == place.bits;
}

}  // namespace shardmill::engine
