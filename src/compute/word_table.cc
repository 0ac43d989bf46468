#include "compute/word_table.h"

#include <bit>
#include <cstring>
#include <new>
#include <utility>

namespace shardmill::compute {

namespace {
constexpr std::size_t kFirstCapacity = 256;

/// Only damaged partials count so far.
void add_bounded(std::uint64_t& count, std::uint64_t more) noexcept {
    if (__builtin_add_overflow(count, more, &count)) count = UINT64_MAX;
}
}  // namespace

WordTable::~WordTable() {
    host_.give(static_cast<std::int64_t>(capacity_ * sizeof(Slot)),
               static_cast<std::int64_t>(size_));
}

WordTable::Slot& WordTable::slot_of(const ShortWord& word, std::uint64_t hash) noexcept {
    for (std::size_t at = hash >> shift_;; at = (at + 1) & (capacity_ - 1)) {
        Slot& slot = slots_[at];
        if (slot.word == word || slot.count == 0) return slot;
    }
}

bool WordTable::add(const ShortWord& word, std::uint64_t hash, std::uint64_t count) noexcept {
    if (size_ >= capacity_ / 2 && !grow()) return false;
    Slot& slot = slot_of(word, hash);
    if (slot.count == 0) {
        if (!host_.try_take(0, 1)) return false;
        slot.word = word;
        ++size_;
    }
    add_bounded(slot.count, count);
    return true;
}

bool WordTable::add(std::string_view word, std::uint64_t count) noexcept {
    if (count == 0) return true;
    const bool is_short = word.size() <= ShortWord::kBytesMax && !word.empty() &&
                          word.find('\0') == std::string_view::npos;
    if (is_short) {
        ShortWord key;
        std::memcpy(&key, word.data(), word.size());
        return add(key, key.hash(), count);
    }
    char* const record = longer_.find_or_insert(word);
    if (record == nullptr) return false;
    std::uint64_t counted;
    std::memcpy(&counted, record, sizeof counted);
    add_bounded(counted, count);
    std::memcpy(record, &counted, sizeof counted);
    return true;
}

/// Old and new slots exist side by side for a moment and both count.
bool WordTable::grow() noexcept {
    const std::size_t old_capacity = capacity_;
    const std::size_t capacity = old_capacity == 0 ? kFirstCapacity : old_capacity * 2;
    if (!host_.try_take(static_cast<std::int64_t>(capacity * sizeof(Slot)))) return false;
    std::unique_ptr<Slot[]> fresh(new (std::nothrow) Slot[capacity]());
    if (fresh == nullptr) {
        host_.give(static_cast<std::int64_t>(capacity * sizeof(Slot)));
        return false;
    }
    const std::unique_ptr<Slot[]> old = std::exchange(slots_, std::move(fresh));
    capacity_ = capacity;
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(capacity));
    for (std::size_t from = 0; from < old_capacity; ++from) {
        if (old[from].count != 0) slot_of(old[from].word, old[from].word.hash()) = old[from];
    }
    host_.give(static_cast<std::int64_t>(old_capacity * sizeof(Slot)));
    return true;
}

}  // namespace shardmill::compute
