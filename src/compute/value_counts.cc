#include "compute/value_counts.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/hash.h"

namespace shardmill::compute {

namespace {

constexpr std::uint32_t kFirstCapacity = 4;

/// The finalizer of MurmurHash3.
std::uint64_t mixed(std::uint64_t bits) noexcept {
    bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccdu;
    bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53u;
    return bits ^ bits >> 33;
}

bool same(const Value& left, const Value& right) noexcept {
    if (left.kind != right.kind) return false;
    if (left.kind == SHARDMILL_STRING) return kernel::bytes_of(left) == kernel::bytes_of(right);
    return left.unsigned_integer == right.unsigned_integer;
}

}  // namespace

Value canonical(const Value& value) noexcept {
    Value out = settled(value);
    if (out.kind == SHARDMILL_BOOL) return kernel::bool_value(out.integer != 0);
    if (out.kind == SHARDMILL_UNSIGNED) return kernel::unsigned_value(out.unsigned_integer);
    constexpr double kBeyond = 18446744073709551616.0;
    if (out.kind != SHARDMILL_DOUBLE || out.number != std::floor(out.number) ||
        std::abs(out.number) >= kBeyond)
        return out;
    return narrowed(static_cast<Int128>(out.number));
}

std::uint64_t hash_of(const Value& value) noexcept {
    if (value.kind == SHARDMILL_STRING) return base::hash_key(kernel::bytes_of(value));
    return mixed(value.unsigned_integer + value.kind * 0x9e3779b97f4a7c15u);
}

/// There is always an empty slot.
ValueCounts::Slot& ValueCounts::find(std::uint64_t hash, const Value& value) const noexcept {
    for (std::uint32_t at = static_cast<std::uint32_t>(hash) & (capacity - 1);;
         at = (at + 1) & (capacity - 1)) {
        Slot& slot = slots[at];
        if (kernel::is_null(slot.value) || (slot.hash == hash && same(slot.value, value)))
            return slot;
    }
}

ValueCounts::Slot* ValueCounts::slot_of(const Value& value, Arena& arena) noexcept {
    const std::uint64_t hash = hash_of(value);
    if (capacity == 0 && !grow(arena)) return nullptr;
    Slot* slot = &find(hash, value);
    if (!kernel::is_null(slot->value)) return slot;
    if (size >= capacity / 4 * 3) {
        if (!grow(arena)) return nullptr;
        slot = &find(hash, value);
    }
    *slot = {hash, value, 0};
    ++size;
    return slot;
}

bool ValueCounts::add(const Value& value, std::uint64_t count, Arena& arena) noexcept {
    Slot* const slot = slot_of(value, arena);
    if (slot == nullptr) return false;
    if (slot->count == 0 && kernel::has_bytes(value)) {
        const std::string_view copy = arena.copy(kernel::bytes_of(value));
        if (copy.data() == nullptr) return false;
        slot->value.bytes = copy.data();
    }
    slot->count += count;
    return true;
}

bool ValueCounts::has(const Value& value) const noexcept {
    return capacity > 0 && !kernel::is_null(find(hash_of(value), value).value);
}

void ValueCounts::put(const Slot& slot) noexcept {
    find(slot.hash, slot.value) = slot;
    ++size;
}

void ValueCounts::clear() noexcept {
    if (capacity > 0) std::memset(static_cast<void*>(slots), 0, capacity * sizeof(Slot));
    size = 0;
}

bool ValueCounts::grow(Arena& arena) noexcept {
    ValueCounts larger{};
    larger.capacity = capacity == 0 ? kFirstCapacity : capacity * 2;
    larger.slots =
        reinterpret_cast<Slot*>(arena.allocate(larger.capacity * sizeof(Slot), alignof(Slot)));
    if (larger.slots == nullptr) return false;
    larger.clear();
    for_each([&larger](const Slot& slot) { larger.find(slot.hash, slot.value) = slot; });
    larger.size = size;
    *this = larger;
    return true;
}

std::vector<const ValueCounts::Slot*> ValueCounts::in_order() const {
    std::vector<const Slot*> order;
    order.reserve(size);
    for_each([&order](const Slot& slot) { order.push_back(&slot); });
    std::ranges::sort(order, [](const Slot* left, const Slot* right) {
        return total_order(left->value, right->value) < 0;
    });
    return order;
}

bool ValueCounts::merge(const ValueCounts& from, Arena& arena) noexcept {
    for (std::uint32_t at = 0; at < from.capacity; ++at) {
        const Slot& slot = from.slots[at];
        if (!kernel::is_null(slot.value) && !add(slot.value, slot.count, arena)) return false;
    }
    return true;
}

void ValueCounts::save(kernel::Writer& writer) const {
    writer.number(static_cast<std::uint64_t>(size));
    for_each([&writer](const Slot& slot) {
        save_value(slot.value, writer);
        writer.number(slot.count);
    });
}

}  // namespace shardmill::compute
