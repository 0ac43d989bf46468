#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>

#include "compute/aggregates.h"
#include "compute/value_counts.h"

namespace shardmill::compute {

namespace {

constexpr std::uint32_t kFewestCounters = 1024;
constexpr std::uint32_t kCountersPerValue = 8;

/// Up to 2 k counters. When they are used up, all are lowered by the (k+1)-th largest: at least
/// k + 1 counters lose that much, so that all lowering together is at most items / (k + 1).
struct HeavyState {
    ValueCounts counts;
    std::uint64_t lowered;  // by how much a count can be too small
    char* room;             // for the strings that are counted
    std::uint64_t room_bytes;
    std::uint64_t room_used;

    bool add(const Value& value, std::uint64_t count, std::uint32_t k, Arena& arena) noexcept {
        if (counts.size == 2 * k && !counts.has(value)) lower(k);
        ValueCounts::Slot* const slot = counts.slot_of(value, arena);
        if (slot == nullptr) return false;
        if (slot->count == 0 && kernel::has_bytes(value) && !keep(*slot, arena)) return false;
        slot->count += count;
        return true;
    }

    bool add(const HeavyState& from, std::uint32_t k, Arena& arena) noexcept {
        lowered += from.lowered;
        for (std::uint32_t at = 0; at < from.counts.capacity; ++at) {
            const ValueCounts::Slot& slot = from.counts.slots[at];
            if (!kernel::is_null(slot.value) && !add(slot.value, slot.count, k, arena))
                return false;
        }
        return true;
    }

 private:
    /// Copies the slot's bytes into the room.
    bool keep(ValueCounts::Slot& slot, Arena& arena) noexcept {
        const std::size_t bytes = slot.value.bytes_count;
        if (room_bytes - room_used < bytes && !enlarge(slot, bytes, arena)) return false;
        if (bytes > 0) std::memcpy(room + room_used, slot.value.bytes, bytes);
        slot.value.bytes = room + room_used;
        room_used += bytes;
        return true;
    }

    /// Moves all strings but the new one's.
    bool enlarge(const ValueCounts::Slot& fresh, std::size_t bytes, Arena& arena) noexcept {
        const std::uint64_t wanted = std::max<std::uint64_t>(64, 2 * (room_used + bytes));
        char* const larger = arena.allocate(wanted);
        if (larger == nullptr) return false;
        if (room_used > 0) std::memcpy(larger, room, room_used);
        for (std::uint32_t at = 0; at < counts.capacity; ++at) {
            ValueCounts::Slot& slot = counts.slots[at];
            if (&slot != &fresh && kernel::has_bytes(slot.value))
                slot.value.bytes = larger + (slot.value.bytes - room);
        }
        room = larger;
        room_bytes = wanted;
        return true;
    }

    void lower(std::uint32_t k) noexcept {
        std::vector<ValueCounts::Slot> left;
        left.reserve(counts.size);
        counts.for_each([&left](const ValueCounts::Slot& slot) { left.push_back(slot); });
        std::ranges::nth_element(left, left.begin() + k, std::greater(), &ValueCounts::Slot::count);
        const std::uint64_t least = left[k].count;
        std::erase_if(left, [least](const ValueCounts::Slot& slot) { return slot.count <= least; });
        lowered += least;
        // Strings that stay move to the front of the room, in the order in which they lie there.
        std::ranges::sort(left, {}, [](const ValueCounts::Slot& slot) {
            return kernel::has_bytes(slot.value) ? slot.value.bytes : nullptr;
        });
        room_used = 0;
        counts.clear();
        for (ValueCounts::Slot& slot : left) {
            slot.count -= least;
            if (kernel::has_bytes(slot.value)) {
                std::memmove(room + room_used, slot.value.bytes, slot.value.bytes_count);
                slot.value.bytes = room + room_used;
                room_used += slot.value.bytes_count;
            }
            counts.put(slot);
        }
    }
};

class Heavy final : public StateAccumulator<HeavyState> {
 public:
    Heavy(const ast::Aggregate& aggregate, PathSet& paths)
        : StateAccumulator(aggregate, paths),
          k_(std::max(kFewestCounters,
                      kCountersPerValue * static_cast<std::uint32_t>(aggregate.number.integer))) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records, [&](HeavyState& into, const Value& value, std::uint32_t) {
            return into.add(canonical(value), 1, k_, arena);
        });
    }
    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        return state(into).add(state(from), k_, arena);
    }
    void save(const char* record, kernel::Writer& writer) const override {
        writer.number(state(record).lowered);
        state(record).counts.save(writer);
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        state(record).lowered += reader.number<std::uint64_t>();
        return load_counts(reader, [&](const Value& value, std::uint64_t count) {
            return state(record).add(value, count, k_, arena);
        });
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn& column,
                                          std::string& text) const override {
        const HeavyState& heavy = state(record);
        std::vector<const ValueCounts::Slot*> order = heavy.counts.in_order();
        std::ranges::stable_sort(order, std::greater(), &ValueCounts::Slot::count);
        const auto shown = std::min(order.size(), static_cast<std::size_t>(column.number.integer));
        text.assign(1, '[');
        for (std::size_t index = 0; index < shown; ++index) {
            if (index > 0) text += ',';
            text += "{\"value\":";
            append_json(text, order[index]->value);
            fmt::format_to(std::back_inserter(text), ",\"count\":{},\"error\":{}}}",
                           order[index]->count, heavy.lowered);
        }
        text += ']';
        return kernel::string_value(text);
    }

 private:
    const std::uint32_t k_;
};

}  // namespace

std::unique_ptr<Accumulator> make_heavy(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Heavy>(aggregate, paths);
}

}  // namespace shardmill::compute
