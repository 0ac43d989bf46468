#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "compute/arena.h"
#include "compute/ast.h"
#include "compute/block.h"
#include "compute/expression.h"
#include "compute/job_limits.h"

namespace shardmill::compute {

/// The records of the groups that a block's items are of.
class Records {
 public:
    /// All items are of one group.
    explicit Records(char* const& record) noexcept : records_(&record), step_(0) {}
    explicit Records(char* const* records) noexcept : records_(records), step_(1) {}
    char* operator[](std::uint32_t index) const noexcept { return records_[index * step_]; }
    bool one_group() const noexcept { return step_ == 0; }

 private:
    char* const* records_;
    std::size_t step_;
};

/// An aggregate as it was asked for.
struct AggregateColumn {
    ast::AggregateKind kind = ast::AggregateKind::Count;
    std::string text;             // as written; the column's name
    Value number{};               // its parameter, if it has one
    std::size_t accumulator = 0;  // that knows it

    /// Several values, given as JSON.
    bool is_list() const noexcept {
        return kind == ast::AggregateKind::Histogram || kind == ast::AggregateKind::Heavy ||
               kind == ast::AggregateKind::Top;
    }
};

/// What is kept of each group for one or several aggregates: a few bytes at a fixed offset of the
/// group's record, zero at first, and what they point to in the record's arena. Immutable itself,
/// any thread. Null is skipped by all of them. Merging is associative and commutative.
class Accumulator {
 public:
    virtual ~Accumulator() = default;
    Accumulator(const Accumulator&) = delete;
    Accumulator& operator=(const Accumulator&) = delete;

    Touches touches() const noexcept { return touches_; }
    /// Of the state; a multiple of 16.
    std::size_t bytes() const noexcept { return bytes_; }
    void place(std::size_t offset) noexcept { offset_ = offset; }

    /// Those that return bool: false when a bound of the job is reached.
    virtual bool update(const Block& block, const Records& records,
                        Arena& arena) const noexcept = 0;
    virtual bool merge(char* into, const char* from, Arena& arena) const noexcept = 0;
    /// Throws kernel::Error.
    virtual void save(const char* record, kernel::Writer& writer) const = 0;
    /// Adds to the record what was saved; throws kernel::Error for bytes that never were.
    virtual bool load(char* record, kernel::Reader& reader, Arena& arena) const = 0;
    /// Fails when the result is beyond the range of its type. Strings lie in the arena, lists in
    /// `text`.
    virtual std::expected<Value, JobError> finish(const char* record, const AggregateColumn& column,
                                                  std::string& text) const = 0;

 protected:
    Accumulator(const ast::Aggregate& aggregate, PathSet& paths, std::size_t bytes)
        : bytes_(bytes) {
        for (const ast::Expr& operand : aggregate.operands) {
            operands_.push_back(Expression::compile(operand, paths));
            touches_ = touches_ | operands_.back().touches();
        }
    }

    std::vector<Expression> operands_;
    Touches touches_ = Touches::Header;

 private:
    const std::size_t bytes_;

 protected:
    std::size_t offset_ = 0;
};

/// The same with the state's type.
template <typename State>
class StateAccumulator : public Accumulator {
    static_assert(sizeof(State) % 16 == 0 && alignof(State) <= 16);

 protected:
    StateAccumulator(const ast::Aggregate& aggregate, PathSet& paths)
        : Accumulator(aggregate, paths, sizeof(State)) {}

    State& state(char* record) const noexcept {
        return *reinterpret_cast<State*>(record + offset_);
    }
    const State& state(const char* record) const noexcept {
        return *reinterpret_cast<const State*>(record + offset_);
    }

    /// Calls add(state, value, index) for every value of the first operand that is not null, until
    /// it returns false.
    template <typename Add>
    bool each(const Block& block, const Records& records, Add&& add) const noexcept {
        Column values;
        operands_[0].evaluate(block, values);
        for (std::uint32_t index = 0; index < block.count; ++index) {
            if (!kernel::is_null(values[index]) &&
                !add(state(records[index]), values[index], index)) {
                return false;
            }
        }
        return true;
    }
};

/// What the saved bytes of an accumulator can be refused with.
[[noreturn]] inline void refuse_damaged() { throw kernel::Error("the saved partial is damaged"); }

std::unexpected<JobError> out_of_range(const AggregateColumn& column);
/// Out of range unless it is finite.
std::expected<Value, JobError> checked(double number, const AggregateColumn& column);

void save_value(const Value& value, kernel::Writer& writer);
/// Never null: bool, int, unsigned, finite double or string, whose bytes lie in what is read.
Value load_value(kernel::Reader& reader);

}  // namespace shardmill::compute
