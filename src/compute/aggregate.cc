#include "compute/aggregate.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <utility>

namespace shardmill::compute {

namespace {

using ast::AggregateKind;
__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;

struct CountState {
    std::uint64_t count;
    std::uint64_t reserved;
};

struct SumState {
    Wide integers;
    double doubles;
    double compensation;  // what rounding has taken from `doubles` (Neumaier)
    std::uint64_t count;
    std::uint64_t double_count;
};
static_assert(sizeof(SumState) == 48);

struct ExtremeState {
    Value value;
    std::uint64_t capacity;  // of the bytes the value points to
    std::uint64_t reserved;
};
static_assert(sizeof(ExtremeState) == 32);

template <typename State>
State& state_at(char* record, std::size_t offset) noexcept {
    return *reinterpret_cast<State*>(record + offset);
}
template <typename State>
const State& state_at(const char* record, std::size_t offset) noexcept {
    return *reinterpret_cast<const State*>(record + offset);
}

void add_double(SumState& state, double number) noexcept {
    const double sum = state.doubles + number;
    state.compensation += std::abs(state.doubles) >= std::abs(number)
                              ? (state.doubles - sum) + number
                              : (number - sum) + state.doubles;
    state.doubles = sum;
}

void add_number(SumState& state, const Value& number) noexcept {
    switch (number.kind) {
        case SHARDMILL_INT:
            state.integers += number.integer;
            break;
        case SHARDMILL_UNSIGNED:
            state.integers += static_cast<Wide>(number.unsigned_integer);
            break;
        case SHARDMILL_DOUBLE:
            add_double(state, number.number);
            ++state.double_count;
            break;
        default:
            return;
    }
    ++state.count;
}

void add_state(SumState& into, const SumState& from) noexcept {
    into.integers += from.integers;
    add_double(into, from.doubles);
    into.compensation += from.compensation;
    into.count += from.count;
    into.double_count += from.double_count;
}

long double total(const SumState& state) noexcept {
    return static_cast<long double>(state.integers) + static_cast<long double>(state.doubles) +
           static_cast<long double>(state.compensation);
}

std::unexpected<JobError> out_of_range(const std::string& text) {
    return std::unexpected(
        JobError{JobErrorKind::OutOfRange, fmt::format("{} is out of range", printable(text))});
}

std::expected<Value, JobError> checked(double number, const std::string& text) {
    if (!std::isfinite(number)) return out_of_range(text);
    return kernel::double_value(number);
}

std::expected<Value, JobError> finish_sum(const SumState& state, const std::string& text) {
    if (state.count == 0) return kernel::null_value();
    if (state.double_count > 0) return checked(static_cast<double>(total(state)), text);
    if (state.integers < INT64_MIN || state.integers > static_cast<Wide>(UINT64_MAX))
        return out_of_range(text);
    return state.integers <= INT64_MAX
               ? kernel::int_value(static_cast<std::int64_t>(state.integers))
               : kernel::unsigned_value(static_cast<std::uint64_t>(state.integers));
}

std::expected<Value, JobError> finish_average(const SumState& state, const std::string& text) {
    if (state.count == 0) return kernel::null_value();
    constexpr Wide kExact = Wide{1} << 53;
    if (state.double_count == 0 && state.integers <= kExact && state.integers >= -kExact) {
        // One rounding only, as every language does it.
        return kernel::double_value(static_cast<double>(state.integers) /
                                    static_cast<double>(state.count));
    }
    return checked(static_cast<double>(total(state) / static_cast<long double>(state.count)), text);
}

/// Text that is a number is kept as that number, other text as a string.
Value settled(const Value& value) noexcept {
    if (value.kind != SHARDMILL_TEXT) return value;
    const Value number = to_number(value);
    return kernel::is_null(number) ? kernel::string_value(kernel::bytes_of(value)) : number;
}

bool store_extreme(ExtremeState& state, const Value& value, Arena& arena) noexcept {
    if (!kernel::has_bytes(value)) {
        state.value = value;
        state.capacity = 0;
        return true;
    }
    const std::string_view bytes = kernel::bytes_of(value);
    char* room = kernel::has_bytes(state.value) ? const_cast<char*>(state.value.bytes) : nullptr;
    if (room == nullptr || state.capacity < bytes.size()) {
        const std::size_t capacity = std::max<std::size_t>(16, bytes.size() + bytes.size() / 2);
        room = arena.allocate(capacity);
        if (room == nullptr) return false;
        state.capacity = capacity;
    }
    std::memcpy(room, bytes.data(), bytes.size());
    state.value = kernel::string_value({room, bytes.size()});
    return true;
}

void save_value(const Value& value, kernel::Writer& writer) {
    writer.number(value.kind);
    if (kernel::has_bytes(value)) {
        writer.string(kernel::bytes_of(value));
    } else {
        writer.number(value.unsigned_integer);
    }
}

Value load_value(kernel::Reader& reader) {
    Value value{};
    value.kind = reader.number<std::uint32_t>();
    if (value.kind > SHARDMILL_STRING) throw kernel::Error("the saved partial is damaged");
    if (value.kind == SHARDMILL_STRING) return kernel::string_value(reader.string());
    value.unsigned_integer = reader.number<std::uint64_t>();
    if (value.kind == SHARDMILL_DOUBLE && !std::isfinite(value.number)) {
        throw kernel::Error("the saved partial is damaged");
    }
    return value;
}

void save_sum(const SumState& state, kernel::Writer& writer) {
    const auto bits = static_cast<UnsignedWide>(state.integers);
    writer.number(static_cast<std::uint64_t>(bits));
    writer.number(static_cast<std::uint64_t>(bits >> 64));
    writer.number(state.doubles);
    writer.number(state.compensation);
    writer.number(state.count);
    writer.number(state.double_count);
}

SumState load_sum(kernel::Reader& reader) {
    SumState state{};
    const auto low = reader.number<std::uint64_t>();
    const auto high = reader.number<std::uint64_t>();
    state.integers = static_cast<Wide>(static_cast<UnsignedWide>(high) << 64 | low);
    // 2^64 items of 2^64 each: nothing an honest partial reaches, and sums of such stay defined.
    if (state.integers > (Wide{1} << 120) || state.integers < -(Wide{1} << 120)) {
        throw kernel::Error("the saved partial is damaged");
    }
    state.doubles = reader.number<double>();
    state.compensation = reader.number<double>();
    state.count = reader.number<std::uint64_t>();
    state.double_count = reader.number<std::uint64_t>();
    return state;
}

}  // namespace

Aggregate Aggregate::compile(const ast::Aggregate& aggregate, PathSet& paths, std::size_t offset) {
    Aggregate compiled;
    compiled.kind_ = aggregate.kind;
    compiled.offset_ = offset;
    compiled.text_ = aggregate.text;
    if (aggregate.operand) compiled.operand_ = Expression::compile(*aggregate.operand, paths);
    return compiled;
}

std::size_t Aggregate::state_bytes() const noexcept {
    switch (kind_) {
        case AggregateKind::Count:
            return sizeof(CountState);
        case AggregateKind::Sum:
        case AggregateKind::Average:
            return sizeof(SumState);
        default:
            return sizeof(ExtremeState);
    }
}

template <typename RecordOf>
bool Aggregate::update_each(const Block& block, RecordOf&& record_of, Arena& arena) const noexcept {
    Column values;
    operand_->evaluate(block, values);
    switch (kind_) {
        case AggregateKind::Count:
            for (std::uint32_t index = 0; index < block.count; ++index) {
                state_at<CountState>(record_of(index), offset_).count +=
                    kernel::is_null(values[index]) ? 0 : 1;
            }
            return true;
        case AggregateKind::Sum:
        case AggregateKind::Average:
            for (std::uint32_t index = 0; index < block.count; ++index) {
                add_number(state_at<SumState>(record_of(index), offset_), to_number(values[index]));
            }
            return true;
        default:
            for (std::uint32_t index = 0; index < block.count; ++index) {
                if (!add_extreme(record_of(index), settled(values[index]), arena)) return false;
            }
            return true;
    }
}

bool Aggregate::update(const Block& block, std::span<char* const> records,
                       Arena& arena) const noexcept {
    if (operand_)
        return update_each(block, [records](std::uint32_t index) { return records[index]; }, arena);
    for (std::uint32_t index = 0; index < block.count; ++index)
        ++state_at<CountState>(records[index], offset_).count;
    return true;
}

bool Aggregate::update_all(const Block& block, char* record, Arena& arena) const noexcept {
    if (operand_) return update_each(block, [record](std::uint32_t) { return record; }, arena);
    state_at<CountState>(record, offset_).count += block.count;
    return true;
}

bool Aggregate::add_extreme(char* record, const Value& value, Arena& arena) const noexcept {
    auto& state = state_at<ExtremeState>(record, offset_);
    if (kernel::is_null(value)) return true;
    if (!kernel::is_null(state.value)) {
        const int order = total_order(value, state.value);
        if (kind_ == AggregateKind::Min ? order >= 0 : order <= 0) return true;
    }
    return store_extreme(state, value, arena);
}

bool Aggregate::merge(char* into, const char* from, Arena& arena) const noexcept {
    switch (kind_) {
        case AggregateKind::Count:
            state_at<CountState>(into, offset_).count += state_at<CountState>(from, offset_).count;
            return true;
        case AggregateKind::Sum:
        case AggregateKind::Average:
            add_state(state_at<SumState>(into, offset_), state_at<SumState>(from, offset_));
            return true;
        default:
            return add_extreme(into, state_at<ExtremeState>(from, offset_).value, arena);
    }
}

void Aggregate::save(const char* record, kernel::Writer& writer) const {
    switch (kind_) {
        case AggregateKind::Count:
            writer.number(state_at<CountState>(record, offset_).count);
            return;
        case AggregateKind::Sum:
        case AggregateKind::Average:
            save_sum(state_at<SumState>(record, offset_), writer);
            return;
        default:
            save_value(state_at<ExtremeState>(record, offset_).value, writer);
            return;
    }
}

bool Aggregate::load(char* record, kernel::Reader& reader, Arena& arena) const {
    switch (kind_) {
        case AggregateKind::Count:
            state_at<CountState>(record, offset_).count += reader.number<std::uint64_t>();
            return true;
        case AggregateKind::Sum:
        case AggregateKind::Average:
            add_state(state_at<SumState>(record, offset_), load_sum(reader));
            return true;
        default:
            return add_extreme(record, load_value(reader), arena);
    }
}

std::expected<Value, JobError> Aggregate::finish(const char* record) const {
    switch (kind_) {
        case AggregateKind::Count:
            return kernel::unsigned_value(state_at<CountState>(record, offset_).count);
        case AggregateKind::Sum:
            return finish_sum(state_at<SumState>(record, offset_), text_);
        case AggregateKind::Average:
            return finish_average(state_at<SumState>(record, offset_), text_);
        default:
            return state_at<ExtremeState>(record, offset_).value;
    }
}

}  // namespace shardmill::compute
