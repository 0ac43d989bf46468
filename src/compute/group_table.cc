#include "compute/group_table.h"

#include <cstring>

#include "base/hash.h"

namespace shardmill::compute {

namespace {
constexpr std::size_t kFirstCapacity = 64;
}

char* GroupTable::find_or_insert(std::string_view key) noexcept {
    if (size_ >= capacity_ / 2 && !grow()) return nullptr;
    const std::uint64_t hash = base::hash_key(key);
    for (std::size_t at = hash & (capacity_ - 1);; at = (at + 1) & (capacity_ - 1)) {
        Slot& slot = slots_[at];
        if (slot.entry == nullptr) return insert(slot, hash, key);
        if (slot.hash == hash && key_of(slot.entry) == key)
            return slot.entry + entry_record(slot.entry);
    }
}

char* GroupTable::insert(Slot& slot, std::uint64_t hash, std::string_view key) noexcept {
    if (!host_.try_take(0, 1)) return nullptr;
    const std::size_t record = padded(4 + key.size());
    char* const entry = arena_.allocate(record + record_bytes_, 16);
    if (entry == nullptr) {
        host_.give(0, 1);
        return nullptr;
    }
    const auto key_bytes = static_cast<std::uint32_t>(key.size());
    std::memcpy(entry, &key_bytes, sizeof key_bytes);
    if (!key.empty()) std::memcpy(entry + 4, key.data(), key.size());
    std::memset(entry + record, 0, record_bytes_);
    slot = {hash, entry};
    ++size_;
    return entry + record;
}

/// Old and new slots exist side by side for a moment and both count.
bool GroupTable::grow() noexcept {
    const std::size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
    if (!host_.try_take(static_cast<std::int64_t>(capacity * sizeof(Slot)))) return false;
    auto slots = std::make_unique<Slot[]>(capacity);
    for (std::size_t from = 0; from < capacity_; ++from) {
        if (slots_[from].entry == nullptr) continue;
        std::size_t at = slots_[from].hash & (capacity - 1);
        while (slots[at].entry != nullptr) at = (at + 1) & (capacity - 1);
        slots[at] = slots_[from];
    }
    host_.give(static_cast<std::int64_t>(slots_bytes()));
    slots_ = std::move(slots);
    capacity_ = capacity;
    return true;
}

}  // namespace shardmill::compute
