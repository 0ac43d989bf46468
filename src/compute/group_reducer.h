#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "compute/accumulator.h"
#include "compute/expression.h"
#include "compute/group_table.h"
#include "compute/partial_account.h"
#include "compute/reducer.h"

namespace shardmill::compute {

/// `by` and `agg`, compiled. Immutable.
struct GroupPlan {
    std::vector<Expression> groups;  // empty: all items are one group, the row "*"
    std::vector<std::unique_ptr<Accumulator>> accumulators;
    std::vector<AggregateColumn> columns;
    std::size_t record_bytes = 0;

    /// Returns what of items it looks at.
    Touches add(const ast::Aggregate& aggregate, PathSet& paths);

 private:
    std::vector<std::string> keys_;  // of the accumulators
};

/// Groups items and aggregates each group. A group is the text of its expressions: null is "null";
/// where there are several they are joined by tabs, and a tab or backslash in one is written \t or
/// \\.
class GroupReducer : public Reducer {
 public:
    /// Both outlive the reducer.
    GroupReducer(const GroupPlan& plan, PartialAccount& account);

    Status map(const Block& block) override;
    Status merge(Reducer& other) override;
    Status save(shardmill_write_function write, void* context) override;
    Status load(std::string_view bytes) override;
    Status finish(RowTable& rows) override;

 private:
    Status map_grouped(const Block& block);
    /// Groups that are numbers are met again and again: writing and hashing them is most of the
    /// work. Records of the last ones, by value.
    struct Remembered {
        Value value;
        char* record;
    };
    Remembered* memory_of(std::uint32_t index) noexcept;
    char* recall(std::uint32_t index) noexcept;
    void remember(std::uint32_t index, char* record) noexcept;
    /// The text of item `index`'s group; nothing if it is too long.
    bool key_of(std::uint32_t index, std::string_view& key);
    void load_groups(kernel::Reader& reader, bool& bound);
    std::unexpected<JobError> bound() const;

    const GroupPlan& plan_;
    PartialAccount& account_;
    GroupTable table_;
    std::vector<Column> group_columns_;
    std::string key_;
    std::array<Remembered, 256> remembered_{};
    std::vector<std::string> lists_;  // of a row, one for each column
};

}  // namespace shardmill::compute
