#include <algorithm>
#include <cstring>

#include "compute/aggregates.h"

namespace shardmill::compute {

namespace {

using ast::AggregateKind;

/// A value that is kept; strings in the arena, in room that is used again.
struct Kept {
    Value value;
    std::uint64_t capacity;  // of the bytes it points to, or last pointed to
    char* room;

    bool store(const Value& from, Arena& arena) noexcept {
        if (!kernel::has_bytes(from)) {
            value = from;
            return true;
        }
        const std::string_view bytes = kernel::bytes_of(from);
        if (room == nullptr || capacity < bytes.size()) {
            const std::size_t wanted = std::max<std::size_t>(16, bytes.size() + bytes.size() / 2);
            char* const larger = arena.allocate(wanted);
            if (larger == nullptr) return false;
            room = larger;
            capacity = wanted;
        }
        if (!bytes.empty()) std::memcpy(room, bytes.data(), bytes.size());
        value = kernel::string_value({room, bytes.size()});
        return true;
    }
};
static_assert(sizeof(Kept) == 32);

class Extreme final : public StateAccumulator<Kept> {
 public:
    Extreme(const ast::Aggregate& aggregate, PathSet& paths)
        : StateAccumulator(aggregate, paths), least_(aggregate.kind == AggregateKind::Min) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records, [&](Kept& kept, const Value& value, std::uint32_t) {
            return add(kept, settled(value), arena);
        });
    }
    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        return add(state(into), state(from).value, arena);
    }
    void save(const char* record, kernel::Writer& writer) const override {
        const Value& value = state(record).value;
        writer.number<std::uint8_t>(kernel::is_null(value) ? 0 : 1);
        if (!kernel::is_null(value)) save_value(value, writer);
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        if (reader.number<std::uint8_t>() == 0) return true;
        return add(state(record), load_value(reader), arena);
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string&) const override {
        return state(record).value;
    }

 private:
    bool add(Kept& kept, const Value& value, Arena& arena) const noexcept {
        if (kernel::is_null(value)) return true;
        if (!kernel::is_null(kept.value)) {
            const int order = total_order(value, kept.value);
            if (least_ ? order >= 0 : order <= 0) return true;
        }
        return kept.store(value, arena);
    }

    const bool least_;
};

struct ChosenState {
    Kept rank;
    Kept value;
};

class Chosen final : public StateAccumulator<ChosenState> {
 public:
    Chosen(const ast::Aggregate& aggregate, PathSet& paths)
        : StateAccumulator(aggregate, paths), first_(aggregate.kind == AggregateKind::First) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        Column ranks;
        operands_[1].evaluate(block, ranks);
        return each(block, records, [&](ChosenState& into, const Value& value, std::uint32_t at) {
            return add(into, settled(ranks[at]), settled(value), arena);
        });
    }
    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        return add(state(into), state(from).rank.value, state(from).value.value, arena);
    }
    void save(const char* record, kernel::Writer& writer) const override {
        const ChosenState& chosen = state(record);
        writer.number<std::uint8_t>(kernel::is_null(chosen.rank.value) ? 0 : 1);
        if (kernel::is_null(chosen.rank.value)) return;
        save_value(chosen.rank.value, writer);
        save_value(chosen.value.value, writer);
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        if (reader.number<std::uint8_t>() == 0) return true;
        const Value rank = load_value(reader);
        const Value value = load_value(reader);
        return add(state(record), rank, value, arena);
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string&) const override {
        return state(record).value.value;
    }

 private:
    bool add(ChosenState& into, const Value& rank, const Value& value,
             Arena& arena) const noexcept {
        if (kernel::is_null(rank)) return true;
        if (!kernel::is_null(into.rank.value)) {
            int order = total_order(rank, into.rank.value);
            if (order == 0) order = total_order(value, into.value.value);
            if (first_ ? order >= 0 : order <= 0) return true;
        }
        return into.rank.store(rank, arena) && into.value.store(value, arena);
    }

    const bool first_;
};

}  // namespace

std::unique_ptr<Accumulator> make_extreme(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Extreme>(aggregate, paths);
}
std::unique_ptr<Accumulator> make_chosen(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Chosen>(aggregate, paths);
}

}  // namespace shardmill::compute
