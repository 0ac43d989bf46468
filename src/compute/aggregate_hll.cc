#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "compute/aggregates.h"
#include "compute/value_counts.h"

namespace shardmill::compute {

namespace {

constexpr unsigned kIndexBits = 14;
constexpr std::uint32_t kRegisters = 1u << kIndexBits;
constexpr unsigned kRankMax = 64 - kIndexBits + 1;
/// As many hashes are kept as they are: exact, and less memory.
constexpr std::uint32_t kExact = 1024;
constexpr std::uint32_t kFirstCapacity = 8;

/// Ertl's functions for registers that are empty and full.
double sigma(double x) noexcept {
    if (x == 1) return INFINITY;
    double y = 1;
    double z = x;
    for (double before = -1; before != z;) {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    }
    return z;
}

double tau(double x) noexcept {
    if (x == 0 || x == 1) return 0;
    double y = 1;
    double z = 1 - x;
    for (double before = -1; before != z;) {
        x = std::sqrt(x);
        before = z;
        y /= 2;
        z -= (1 - x) * (1 - x) * y;
    }
    return z / 3;
}

double estimate(const std::uint8_t* registers) noexcept {
    constexpr double kCount = kRegisters;
    std::array<std::uint32_t, kRankMax + 1> having{};  // registers by their rank
    for (std::uint32_t index = 0; index < kRegisters; ++index) ++having[registers[index]];
    double z = kCount * tau(1 - having[kRankMax] / kCount);
    for (unsigned rank = kRankMax - 1; rank >= 1; --rank) z = (z + having[rank]) / 2;
    z += kCount * sigma(having[0] / kCount);
    return kCount * kCount / (2 * std::log(2.0) * z);
}

struct HllState {
    std::uint64_t* hashes;    // a set, open addressing, 0: empty slot
    std::uint8_t* registers;  // from the first value beyond kExact on
    std::uint32_t capacity;
    std::uint32_t size;
    std::uint64_t reserved;

    bool add(std::uint64_t hash, Arena& arena) noexcept {
        if (registers != nullptr) {
            count(hash);
            return true;
        }
        if (hash == 0) hash = 1;
        if (size >= capacity / 2 && !make_room(arena)) return false;
        std::uint64_t& slot = find(hash);
        if (slot == hash) return true;
        if (size == kExact) {
            if (!spread(arena)) return false;
            count(hash);
            return true;
        }
        slot = hash;
        ++size;
        return true;
    }

    bool add(const HllState& from, Arena& arena) noexcept {
        if (from.registers == nullptr) {
            for (std::uint32_t at = 0; at < from.capacity; ++at) {
                if (from.hashes[at] != 0 && !add(from.hashes[at], arena)) return false;
            }
            return true;
        }
        return add(from.registers, arena);
    }

    bool add(const std::uint8_t* others, Arena& arena) noexcept {
        if (registers == nullptr && !spread(arena)) return false;
        for (std::uint32_t index = 0; index < kRegisters; ++index)
            registers[index] = std::max(registers[index], others[index]);
        return true;
    }

 private:
    std::uint64_t& find(std::uint64_t hash) noexcept {
        std::uint32_t at = static_cast<std::uint32_t>(hash) & (capacity - 1);
        while (hashes[at] != 0 && hashes[at] != hash) at = (at + 1) & (capacity - 1);
        return hashes[at];
    }

    void count(std::uint64_t hash) noexcept {
        const std::uint64_t rest = hash << kIndexBits | std::uint64_t{1} << (kIndexBits - 1);
        const auto rank = static_cast<std::uint8_t>(std::countl_zero(rest) + 1);
        std::uint8_t& place = registers[hash >> (64 - kIndexBits)];
        place = std::max(place, rank);
    }

    bool make_room(Arena& arena) noexcept {
        if (capacity == 2 * kExact) return true;
        HllState larger{};
        larger.capacity = std::max(kFirstCapacity, capacity * 2);
        larger.hashes = reinterpret_cast<std::uint64_t*>(
            arena.allocate(larger.capacity * sizeof(std::uint64_t), alignof(std::uint64_t)));
        if (larger.hashes == nullptr) return false;
        std::fill_n(larger.hashes, larger.capacity, 0);
        for (std::uint32_t at = 0; at < capacity; ++at) {
            if (hashes[at] != 0) larger.find(hashes[at]) = hashes[at];
        }
        larger.size = size;
        *this = larger;
        return true;
    }

    /// From hashes to registers.
    bool spread(Arena& arena) noexcept {
        registers = reinterpret_cast<std::uint8_t*>(arena.allocate(kRegisters));
        if (registers == nullptr) return false;
        std::memset(registers, 0, kRegisters);
        for (std::uint32_t at = 0; at < capacity; ++at) {
            if (hashes[at] != 0) count(hashes[at]);
        }
        return true;
    }
};

class Hll final : public StateAccumulator<HllState> {
 public:
    Hll(const ast::Aggregate& aggregate, PathSet& paths) : StateAccumulator(aggregate, paths) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records, [&arena](HllState& into, const Value& value, std::uint32_t) {
            return into.add(hash_of(canonical(value)), arena);
        });
    }
    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        return state(into).add(state(from), arena);
    }
    void save(const char* record, kernel::Writer& writer) const override {
        const HllState& hll = state(record);
        writer.number<std::uint8_t>(hll.registers == nullptr ? 0 : 1);
        if (hll.registers != nullptr) {
            writer.bytes({reinterpret_cast<const char*>(hll.registers), kRegisters});
            return;
        }
        writer.number(hll.size);
        for (std::uint32_t at = 0; at < hll.capacity; ++at) {
            if (hll.hashes[at] != 0) writer.number(hll.hashes[at]);
        }
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        HllState& into = state(record);
        if (reader.number<std::uint8_t>() == 0) {
            for (auto left = reader.number<std::uint32_t>(); left > 0; --left) {
                if (!into.add(reader.number<std::uint64_t>(), arena)) return false;
            }
            return true;
        }
        const std::string_view bytes = reader.bytes(kRegisters);
        const auto* const registers = reinterpret_cast<const std::uint8_t*>(bytes.data());
        if (*std::max_element(registers, registers + kRegisters) > kRankMax) refuse_damaged();
        return into.add(registers, arena);
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string&) const override {
        const HllState& hll = state(record);
        if (hll.registers == nullptr) return kernel::int_value(hll.size);
        return kernel::int_value(std::llround(estimate(hll.registers)));
    }
};

}  // namespace

std::unique_ptr<Accumulator> make_hll(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Hll>(aggregate, paths);
}

}  // namespace shardmill::compute
