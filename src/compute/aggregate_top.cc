#include <algorithm>
#include <cstring>

#include "compute/aggregates.h"

namespace shardmill::compute {

namespace {

struct Entry {
    Value number;
    char* key;
    std::uint32_t key_bytes;
    std::uint32_t key_room;

    std::string_view key_view() const noexcept { return {key, key_bytes}; }
};
static_assert(sizeof(Entry) == 32);

/// Whether the first is to be shown before the second.
bool before(const Value& number, std::string_view key, const Entry& other) noexcept {
    const int order = compare_numbers(number, other.number);
    return order != 0 ? order > 0 : key < other.key_view();
}

bool entry_before(const Entry& left, const Entry& right) noexcept {
    return before(left.number, left.key_view(), right);
}

struct TopState {
    Entry* heap;  // the one to be dropped next on top
    std::uint32_t size;
    std::uint32_t capacity;

    bool offer(const Value& number, std::string_view key, std::uint32_t limit,
               Arena& arena) noexcept {
        const bool full = size == limit;
        if (full && !before(number, key, heap[0])) return true;
        if (full) {
            std::pop_heap(heap, heap + size, entry_before);
            --size;
        } else if (size == capacity && !grow(limit, arena)) {
            return false;
        }
        Entry& entry = heap[size];
        if (!store_key(entry, key, arena)) return false;
        entry.number = number;
        ++size;
        std::push_heap(heap, heap + size, entry_before);
        return true;
    }

    std::vector<Entry> in_order() const {
        std::vector<Entry> order(heap, heap + size);
        std::ranges::sort(order, entry_before);
        return order;
    }

 private:
    bool grow(std::uint32_t limit, Arena& arena) noexcept {
        const std::uint32_t wanted = std::min(limit, std::max(4u, capacity * 2));
        auto* const larger =
            reinterpret_cast<Entry*>(arena.allocate(wanted * sizeof(Entry), alignof(Entry)));
        if (larger == nullptr) return false;
        std::memset(static_cast<void*>(larger), 0, wanted * sizeof(Entry));
        std::copy_n(heap, size, larger);
        heap = larger;
        capacity = wanted;
        return true;
    }

    static bool store_key(Entry& entry, std::string_view key, Arena& arena) noexcept {
        if (entry.key_room < key.size()) {
            const std::size_t wanted = (key.size() + 31) & ~std::size_t{31};
            char* const room = arena.allocate(wanted);
            if (room == nullptr) return false;
            entry.key = room;
            entry.key_room = static_cast<std::uint32_t>(wanted);
        }
        if (!key.empty()) std::memcpy(entry.key, key.data(), key.size());
        entry.key_bytes = static_cast<std::uint32_t>(key.size());
        return true;
    }
};

class Top final : public StateAccumulator<TopState> {
 public:
    Top(const ast::Aggregate& aggregate, PathSet& paths)
        : StateAccumulator(aggregate, paths),
          limit_(static_cast<std::uint32_t>(aggregate.number.integer)) {
        touches_ = touches_ | Touches::Key;
    }

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records, [&](TopState& top, const Value& value, std::uint32_t index) {
            const Value number = to_number(value);
            return kernel::is_null(number) ||
                   top.offer(number, kernel::key_of(block.items[index]), limit_, arena);
        });
    }
    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        const TopState& other = state(from);
        return std::all_of(other.heap, other.heap + other.size, [&](const Entry& entry) {
            return state(into).offer(entry.number, entry.key_view(), limit_, arena);
        });
    }
    void save(const char* record, kernel::Writer& writer) const override {
        const TopState& top = state(record);
        writer.number(top.size);
        for (std::uint32_t index = 0; index < top.size; ++index) {
            save_value(top.heap[index].number, writer);
            writer.string(top.heap[index].key_view());
        }
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        for (auto left = reader.number<std::uint32_t>(); left > 0; --left) {
            const Value number = load_value(reader);
            const std::string_view key = reader.string();
            if (!is_number(number) || key.size() > UINT16_MAX) refuse_damaged();
            if (!state(record).offer(number, key, limit_, arena)) return false;
        }
        return true;
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string& text) const override {
        text.assign(1, '[');
        for (const Entry& entry : state(record).in_order()) {
            if (text.size() > 1) text += ',';
            text += "{\"key\":";
            append_json_string(text, entry.key_view());
            text += ",\"value\":";
            append_json(text, entry.number);
            text += '}';
        }
        text += ']';
        return kernel::string_value(text);
    }

 private:
    const std::uint32_t limit_;
};

}  // namespace

std::unique_ptr<Accumulator> make_top(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Top>(aggregate, paths);
}

}  // namespace shardmill::compute
