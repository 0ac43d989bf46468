#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "compute/arena.h"

namespace shardmill::compute {

/// A hash table from bytes to records of one fixed size: open addressing over 16-byte slots, keys
/// and records side by side in an arena. Records stay where they are. Memory and rows are accounted
/// for. One thread at a time.
class GroupTable {
 public:
    GroupTable(kernel::Host host, std::size_t record_bytes) noexcept
        : host_(host), arena_(host), record_bytes_(record_bytes) {}
    ~GroupTable() {
        host_.give(static_cast<std::int64_t>(slots_bytes()), static_cast<std::int64_t>(size_));
    }
    GroupTable(const GroupTable&) = delete;
    GroupTable& operator=(const GroupTable&) = delete;

    /// The record of the key, made if need be. nullptr: a bound of the job is reached.
    char* find_or_insert(std::string_view key) noexcept;

    std::size_t size() const noexcept { return size_; }
    Arena& arena() noexcept { return arena_; }

    /// Calls visit(key, record) for every group, in no order that could be relied on, until it
    /// returns false.
    template <typename Visit>
    bool for_each(Visit&& visit) const {
        for (std::size_t at = 0; at < capacity_; ++at) {
            const Slot& slot = slots_[at];
            if (slot.entry != nullptr &&
                !visit(key_of(slot.entry), slot.entry + entry_record(slot.entry)))
                return false;
        }
        return true;
    }

 private:
    /// An entry is: u32 key bytes, key, padding to 16, record.
    struct Slot {
        std::uint64_t hash;
        char* entry;
    };
    static std::size_t padded(std::size_t bytes) noexcept {
        return (bytes + 15) & ~std::size_t{15};
    }
    static std::uint32_t key_bytes(const char* entry) noexcept {
        std::uint32_t bytes;
        std::memcpy(&bytes, entry, sizeof bytes);
        return bytes;
    }
    static std::string_view key_of(const char* entry) noexcept {
        return {entry + 4, key_bytes(entry)};
    }
    static std::size_t entry_record(const char* entry) noexcept {
        return padded(4 + std::size_t{key_bytes(entry)});
    }

    std::size_t slots_bytes() const noexcept { return capacity_ * sizeof(Slot); }
    bool grow() noexcept;
    char* insert(Slot& slot, std::uint64_t hash, std::string_view key) noexcept;

    kernel::Host host_;
    Arena arena_;
    const std::size_t record_bytes_;
    std::unique_ptr<Slot[]> slots_;
    std::size_t capacity_ = 0;  // a power of two
    std::size_t size_ = 0;
};

}  // namespace shardmill::compute
