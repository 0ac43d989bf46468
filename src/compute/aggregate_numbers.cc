#include <cmath>

#include "compute/aggregates.h"

namespace shardmill::compute {

namespace {

using ast::AggregateKind;
__extension__ typedef unsigned __int128 UnsignedInt128;

// --- count

struct CountState {
    std::uint64_t count;
    std::uint64_t reserved;
};

class Count final : public StateAccumulator<CountState> {
 public:
    Count(const ast::Aggregate& aggregate, PathSet& paths) : StateAccumulator(aggregate, paths) {}

    bool update(const Block& block, const Records& records, Arena&) const noexcept override {
        if (!operands_.empty()) {
            return each(block, records, [](CountState& into, const Value&, std::uint32_t) {
                ++into.count;
                return true;
            });
        }
        if (records.one_group()) {
            state(records[0]).count += block.count;
            return true;
        }
        for (std::uint32_t index = 0; index < block.count; ++index) ++state(records[index]).count;
        return true;
    }
    bool merge(char* into, const char* from, Arena&) const noexcept override {
        state(into).count += state(from).count;
        return true;
    }
    void save(const char* record, kernel::Writer& writer) const override {
        writer.number(state(record).count);
    }
    bool load(char* record, kernel::Reader& reader, Arena&) const override {
        state(record).count += reader.number<std::uint64_t>();
        return true;
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string&) const override {
        return kernel::unsigned_value(state(record).count);
    }
};

// --- sum, avg

struct SumState {
    Int128 integers;
    double doubles;
    double compensation;  // what rounding has taken from `doubles` (Neumaier)
    std::uint64_t count;
    std::uint64_t double_count;

    void add_double(double number) noexcept {
        const double sum = doubles + number;
        compensation += std::abs(doubles) >= std::abs(number) ? (doubles - sum) + number
                                                              : (number - sum) + doubles;
        doubles = sum;
    }

    void add(const Value& value) noexcept {
        const Value number = to_number(value);
        if (number.kind == SHARDMILL_NULL) return;
        ++count;
        if (number.kind == SHARDMILL_DOUBLE) {
            add_double(number.number);
            ++double_count;
        } else {
            integers += wide(number);
        }
    }

    void add(const SumState& from) noexcept {
        integers += from.integers;
        add_double(from.doubles);
        compensation += from.compensation;
        count += from.count;
        double_count += from.double_count;
    }

    long double total() const noexcept {
        return static_cast<long double>(integers) + static_cast<long double>(doubles) +
               static_cast<long double>(compensation);
    }
};

class Sum final : public StateAccumulator<SumState> {
 public:
    Sum(const ast::Aggregate& aggregate, PathSet& paths) : StateAccumulator(aggregate, paths) {}

    bool update(const Block& block, const Records& records, Arena&) const noexcept override {
        Column values;
        operands_[0].evaluate(block, values);
        if (records.one_group()) {
            SumState sum = state(records[0]);
            for (std::uint32_t index = 0; index < block.count; ++index) sum.add(values[index]);
            state(records[0]) = sum;
            return true;
        }
        for (std::uint32_t index = 0; index < block.count; ++index)
            state(records[index]).add(values[index]);
        return true;
    }
    bool merge(char* into, const char* from, Arena&) const noexcept override {
        state(into).add(state(from));
        return true;
    }
    void save(const char* record, kernel::Writer& writer) const override {
        const SumState& sum = state(record);
        const auto bits = static_cast<UnsignedInt128>(sum.integers);
        writer.number(static_cast<std::uint64_t>(bits));
        writer.number(static_cast<std::uint64_t>(bits >> 64));
        writer.number(sum.doubles);
        writer.number(sum.compensation);
        writer.number(sum.count);
        writer.number(sum.double_count);
    }
    bool load(char* record, kernel::Reader& reader, Arena&) const override {
        SumState sum{};
        const auto low = reader.number<std::uint64_t>();
        const auto high = reader.number<std::uint64_t>();
        sum.integers = static_cast<Int128>(static_cast<UnsignedInt128>(high) << 64 | low);
        // 2^56 items of 2^64 each: nothing an honest partial reaches, and sums of such stay
        // defined.
        if (sum.integers > (Int128{1} << 120) || sum.integers < -(Int128{1} << 120))
            refuse_damaged();
        sum.doubles = reader.number<double>();
        sum.compensation = reader.number<double>();
        sum.count = reader.number<std::uint64_t>();
        sum.double_count = reader.number<std::uint64_t>();
        state(record).add(sum);
        return true;
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn& column,
                                          std::string&) const override {
        const SumState& sum = state(record);
        if (sum.count == 0) return kernel::null_value();
        if (column.kind == AggregateKind::Average) return average(sum, column);
        if (sum.double_count > 0) return checked(static_cast<double>(sum.total()), column);
        if (sum.integers < INT64_MIN || sum.integers > static_cast<Int128>(UINT64_MAX))
            return out_of_range(column);
        return narrowed(sum.integers);
    }

 private:
    static std::expected<Value, JobError> average(const SumState& sum,
                                                  const AggregateColumn& column) {
        constexpr Int128 kExact = Int128{1} << 53;
        if (sum.double_count == 0 && sum.integers <= kExact && sum.integers >= -kExact) {
            // One rounding only, as every language does it.
            return kernel::double_value(static_cast<double>(sum.integers) /
                                        static_cast<double>(sum.count));
        }
        return checked(static_cast<double>(sum.total() / static_cast<long double>(sum.count)),
                       column);
    }
};

// --- var, stddev

struct MomentsState {
    std::uint64_t count;
    double mean;
    double squares;  // the sum of (value - mean)^2
    std::uint64_t reserved;

    void add(double number) noexcept {
        ++count;
        const double distance = number - mean;
        mean += distance / static_cast<double>(count);
        squares += distance * (number - mean);
    }

    void add(const MomentsState& from) noexcept {
        if (from.count == 0) return;
        if (count == 0) {
            *this = from;
            return;
        }
        const auto here = static_cast<double>(count);
        const auto there = static_cast<double>(from.count);
        const double distance = from.mean - mean;
        mean += distance * (there / (here + there));
        squares += from.squares + distance * distance * (here * (there / (here + there)));
        count += from.count;
    }
};

class Moments final : public StateAccumulator<MomentsState> {
 public:
    Moments(const ast::Aggregate& aggregate, PathSet& paths) : StateAccumulator(aggregate, paths) {}

    bool update(const Block& block, const Records& records, Arena&) const noexcept override {
        return each(block, records, [](MomentsState& into, const Value& value, std::uint32_t) {
            const Value number = to_number(value);
            if (!kernel::is_null(number)) into.add(as_double(number));
            return true;
        });
    }
    bool merge(char* into, const char* from, Arena&) const noexcept override {
        state(into).add(state(from));
        return true;
    }
    void save(const char* record, kernel::Writer& writer) const override {
        writer.number(state(record).count);
        writer.number(state(record).mean);
        writer.number(state(record).squares);
    }
    bool load(char* record, kernel::Reader& reader, Arena&) const override {
        MomentsState from{};
        from.count = reader.number<std::uint64_t>();
        from.mean = reader.number<double>();
        from.squares = reader.number<double>();
        state(record).add(from);
        return true;
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn& column,
                                          std::string&) const override {
        const MomentsState& moments = state(record);
        if (moments.count < 2) return kernel::null_value();
        const double variance = moments.squares / static_cast<double>(moments.count - 1);
        return checked(column.kind == AggregateKind::Deviation ? std::sqrt(variance) : variance,
                       column);
    }
};

}  // namespace

std::unique_ptr<Accumulator> make_count(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Count>(aggregate, paths);
}
std::unique_ptr<Accumulator> make_sum(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Sum>(aggregate, paths);
}
std::unique_ptr<Accumulator> make_moments(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Moments>(aggregate, paths);
}

}  // namespace shardmill::compute
