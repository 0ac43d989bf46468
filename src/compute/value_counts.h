#pragma once

#include <cstdint>
#include <vector>

#include "compute/accumulator.h"

namespace shardmill::compute {

/// Equal values become the same bits: whole doubles integers, text that is a number that number,
/// other text strings. Not for null.
Value canonical(const Value& value) noexcept;

/// 64 well-mixed bits of a canonical value, the same on every machine.
std::uint64_t hash_of(const Value& value) noexcept;

/// How often each value was met: a hash table whose head lies in a group's record (zero at first)
/// and whose slots lie in the record's arena. Keeps canonical values only.
struct ValueCounts {
    struct Slot {
        std::uint64_t hash;
        Value value;  // null: empty
        std::uint64_t count;
    };
    Slot* slots;
    std::uint32_t capacity;  // a power of two
    std::uint32_t size;

    /// The slot of the value, made if need be with a count of 0 and bytes that are the caller's.
    /// nullptr: a bound of the job is reached.
    Slot* slot_of(const Value& value, Arena& arena) noexcept;

    /// Adds to the value's count; its bytes are copied to the arena when it is new.
    bool add(const Value& value, std::uint64_t count, Arena& arena) noexcept;

    bool has(const Value& value) const noexcept;
    /// A slot with a value that there is none of yet; there is room for it.
    void put(const Slot& slot) noexcept;
    void clear() noexcept;

    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (std::uint32_t at = 0; at < capacity; ++at) {
            if (!kernel::is_null(slots[at].value)) visit(slots[at]);
        }
    }
    /// All slots, ordered by their values.
    std::vector<const Slot*> in_order() const;

    bool merge(const ValueCounts& from, Arena& arena) noexcept;
    void save(kernel::Writer& writer) const;

 private:
    bool grow(Arena& arena) noexcept;
    Slot& find(std::uint64_t hash, const Value& value) const noexcept;
};
static_assert(sizeof(ValueCounts) == 16 && sizeof(ValueCounts::Slot) == 32);

/// Reads what ValueCounts::save wrote: calls add(value, count), which returns false when a bound is
/// reached, for each.
template <typename Add>
bool load_counts(kernel::Reader& reader, Add&& add) {
    for (auto left = reader.number<std::uint64_t>(); left > 0; --left) {
        const Value value = canonical(load_value(reader));
        const auto count = reader.number<std::uint64_t>();
        if (count == 0) refuse_damaged();
        if (!add(value, count)) return false;
    }
    return true;
}

}  // namespace shardmill::compute
