#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

#include "compute/aggregates.h"
#include "compute/arithmetic.h"
#include "compute/value_counts.h"

namespace shardmill::compute {

namespace {

/// Whatever is kept as counted values.
class CountsAccumulator : public StateAccumulator<ValueCounts> {
 public:
    using StateAccumulator::StateAccumulator;

    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        return state(into).merge(state(from), arena);
    }
    void save(const char* record, kernel::Writer& writer) const override {
        state(record).save(writer);
    }
};

// --- distinct

class Distinct final : public CountsAccumulator {
 public:
    Distinct(const ast::Aggregate& aggregate, PathSet& paths)
        : CountsAccumulator(aggregate, paths) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records,
                    [&arena](ValueCounts& counts, const Value& value, std::uint32_t) {
                        return counts.add(canonical(value), 1, arena);
                    });
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        return load_counts(reader, [&](const Value& value, std::uint64_t count) {
            return state(record).add(value, count, arena);
        });
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string&) const override {
        return kernel::int_value(state(record).size);
    }
};

// --- histogram

class Histogram final : public CountsAccumulator {
 public:
    Histogram(const ast::Aggregate& aggregate, PathSet& paths)
        : CountsAccumulator(aggregate, paths), width_(aggregate.number) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records, [&](ValueCounts& counts, const Value& value, std::uint32_t) {
            const Value bucket = bucket_of(to_number(value), width_);
            return kernel::is_null(bucket) || counts.add(canonical(bucket), 1, arena);
        });
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        return load_counts(reader, [&](const Value& value, std::uint64_t count) {
            if (!is_number(value)) refuse_damaged();
            return state(record).add(value, count, arena);
        });
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn&,
                                          std::string& text) const override {
        text.assign(1, '{');
        for (const ValueCounts::Slot* slot : state(record).in_order()) {
            if (text.size() > 1) text += ',';
            text += '"';
            append_text(text, slot->value);
            fmt::format_to(std::back_inserter(text), "\":{}", slot->count);
        }
        text += '}';
        return kernel::string_value(text);
    }

 private:
    const Value width_;
};

// --- quantile

/// A bucket is what a double's sign, exponent and first bits of its fraction have in common:
/// numbered so that their order is that of the numbers.
constexpr unsigned kFractionBits = 6;
constexpr unsigned kShift = 52 - kFractionBits;
constexpr std::int64_t kBuckets = std::int64_t{0x7ff} << kFractionBits;  // on each side of zero

std::int64_t bucket_index(double number) noexcept {
    const auto index =
        static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(std::abs(number)) >> kShift);
    return number < 0 ? -index - 1 : index;
}

/// Where on the positive side the bucket begins.
double bucket_start(std::int64_t index) noexcept {
    return std::bit_cast<double>(static_cast<std::uint64_t>(index) << kShift);
}

double middle_of(std::int64_t index, bool integers) noexcept {
    if (index == 0 || index == -1) return 0;  // and next to nothing
    if (index < 0) return -middle_of(-index - 1, integers);
    const double first = bucket_start(index);
    const double end = bucket_start(index + 1);
    if (!integers) return first + (end - first) / 2;
    const double least = std::ceil(first);
    return least + std::floor((std::ceil(end) - 1 - least) / 2);
}

struct QuantileState {
    ValueCounts counts;  // by bucket_index
    Value least;
    Value largest;
    std::uint64_t count;
    std::uint64_t fractions;  // how many were no integers
};

class Quantile final : public StateAccumulator<QuantileState> {
 public:
    Quantile(const ast::Aggregate& aggregate, PathSet& paths)
        : StateAccumulator(aggregate, paths) {}

    bool update(const Block& block, const Records& records, Arena& arena) const noexcept override {
        return each(block, records, [&](QuantileState& into, const Value& value, std::uint32_t) {
            const Value number = to_number(value);
            if (kernel::is_null(number)) return true;
            widen(into, number);
            ++into.count;
            const double size = as_double(number);
            if (number.kind == SHARDMILL_DOUBLE && size != std::floor(size)) ++into.fractions;
            return into.counts.add(kernel::int_value(bucket_index(size)), 1, arena);
        });
    }
    bool merge(char* into, const char* from, Arena& arena) const noexcept override {
        const QuantileState& other = state(from);
        if (other.count == 0) return true;
        widen(state(into), other.least);
        widen(state(into), other.largest);
        state(into).count += other.count;
        state(into).fractions += other.fractions;
        return state(into).counts.merge(other.counts, arena);
    }
    void save(const char* record, kernel::Writer& writer) const override {
        const QuantileState& quantile = state(record);
        writer.number(quantile.count);
        if (quantile.count == 0) return;
        writer.number(quantile.fractions);
        save_value(quantile.least, writer);
        save_value(quantile.largest, writer);
        quantile.counts.save(writer);
    }
    bool load(char* record, kernel::Reader& reader, Arena& arena) const override {
        const auto count = reader.number<std::uint64_t>();
        if (count == 0) return true;
        QuantileState& into = state(record);
        into.count += count;
        into.fractions += reader.number<std::uint64_t>();
        for (int side = 0; side < 2; ++side) {
            const Value extreme = load_value(reader);
            if (!is_number(extreme)) refuse_damaged();
            widen(into, extreme);
        }
        return load_counts(reader, [&](const Value& index, std::uint64_t times) {
            if (index.kind != SHARDMILL_INT || index.integer >= kBuckets ||
                index.integer < -kBuckets) {
                refuse_damaged();
            }
            return into.counts.add(index, times, arena);
        });
    }
    std::expected<Value, JobError> finish(const char* record, const AggregateColumn& column,
                                          std::string&) const override {
        const QuantileState& quantile = state(record);
        if (quantile.count == 0) return kernel::null_value();
        const double wanted = std::ceil(column.number.number * static_cast<double>(quantile.count));
        if (wanted <= 1) return quantile.least;
        if (wanted >= static_cast<double>(quantile.count)) return quantile.largest;
        double passed = 0;
        for (const ValueCounts::Slot* slot : quantile.counts.in_order()) {
            passed += static_cast<double>(slot->count);
            if (passed >= wanted) return within(quantile, slot->value.integer);
        }
        return quantile.largest;
    }

 private:
    static void widen(QuantileState& into, const Value& number) noexcept {
        if (kernel::is_null(into.least) || compare_numbers(number, into.least) < 0)
            into.least = number;
        if (kernel::is_null(into.largest) || compare_numbers(number, into.largest) > 0)
            into.largest = number;
    }

    /// The middle of the bucket, as far as it lies between what was met.
    static Value within(const QuantileState& quantile, std::int64_t bucket) noexcept {
        const bool integers = quantile.fractions == 0;
        const double middle = middle_of(bucket, integers);
        if (!std::isfinite(middle)) return middle < 0 ? quantile.least : quantile.largest;
        const Value value =
            integers ? canonical(kernel::double_value(middle)) : kernel::double_value(middle);
        if (compare_numbers(value, quantile.least) < 0) return quantile.least;
        return compare_numbers(value, quantile.largest) > 0 ? quantile.largest : value;
    }
};

}  // namespace

std::unique_ptr<Accumulator> make_distinct(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Distinct>(aggregate, paths);
}
std::unique_ptr<Accumulator> make_histogram(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Histogram>(aggregate, paths);
}
std::unique_ptr<Accumulator> make_quantile(const ast::Aggregate& aggregate, PathSet& paths) {
    return std::make_unique<Quantile>(aggregate, paths);
}

}  // namespace shardmill::compute
