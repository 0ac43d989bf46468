#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>

#include "compute/arena.h"
#include "compute/ast.h"
#include "compute/block.h"
#include "compute/expression.h"
#include "compute/job_limits.h"

namespace shardmill::compute {

/// One compiled aggregate: immutable, any thread. Its state is a few bytes at a fixed offset of a
/// group's record, zero at first; strings it keeps lie in the record's arena.
///
/// Null is skipped. Integers are summed exactly (128 bits) and stay integers; with doubles among
/// them the sum is a double. min and max go by total_order.
class Aggregate {
 public:
    static Aggregate compile(const ast::Aggregate& aggregate, PathSet& paths, std::size_t offset);

    /// As written: the column's name.
    const std::string& text() const noexcept { return text_; }
    Touches touches() const noexcept { return operand_ ? operand_->touches() : Touches::Header; }
    /// Where the next aggregate's state begins; a multiple of 16.
    std::size_t end() const noexcept { return offset_ + state_bytes(); }

    /// records[i] is the record of the block's item i. False: a bound of the job is reached.
    bool update(const Block& block, std::span<char* const> records, Arena& arena) const noexcept;
    /// The same where all items are of one group.
    bool update_all(const Block& block, char* record, Arena& arena) const noexcept;
    bool merge(char* into, const char* from, Arena& arena) const noexcept;

    /// Throw kernel::Error.
    void save(const char* record, kernel::Writer& writer) const;
    /// Adds to the record's state. False: a bound of the job is reached.
    bool load(char* record, kernel::Reader& reader, Arena& arena) const;

    /// Fails when the result is beyond the range of its type. Strings lie in the arena.
    std::expected<Value, JobError> finish(const char* record) const;

 private:
    std::size_t state_bytes() const noexcept;
    template <typename RecordOf>
    bool update_each(const Block& block, RecordOf&& record_of, Arena& arena) const noexcept;
    bool add_extreme(char* record, const Value& value, Arena& arena) const noexcept;

    ast::AggregateKind kind_ = ast::AggregateKind::Count;
    std::size_t offset_ = 0;
    std::string text_;
    std::optional<Expression> operand_;
};

}  // namespace shardmill::compute
