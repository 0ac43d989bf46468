#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/arena.h"
#include "compute/condition.h"
#include "compute/job_limits.h"
#include "compute/partial_account.h"
#include "compute/program.h"
#include "compute/value.h"

namespace shardmill::compute {

/// What rows are sorted by: a column by its number, see RowNames. Keys and parts of keys that are
/// numbers come first, by value.
struct RowOrder {
    std::uint32_t column = 0;
    bool descending = false;
};

/// The rows of a result before they are sorted, cut and written as JSON.
class RowTable {
 public:
    /// lists[i]: what is given for column i is JSON already. All three outlive the table.
    RowTable(PartialAccount& account, const std::vector<std::string>& columns,
             const std::vector<bool>& lists);

    /// Copies everything. Values that are not numbers JSON knows are refused, as are keys over
    /// kMaxRowKeyBytes.
    std::expected<void, JobError> add(std::string_view key, std::optional<std::string_view> value,
                                      std::span<const Value> columns,
                                      std::uint32_t client_flags = 0, std::uint32_t exptime = 0);

    /// Keeps the rows for which the condition, over columns, key and the parts of it, is true.
    std::expected<void, JobError> filter(const Condition& condition, std::size_t parts);

    /// Rows that are equal in all of `order` stand in the order of their keys.
    std::expected<void, JobError> sort(std::span<const RowOrder> order,
                                       std::optional<std::uint64_t> limit);

    /// At most `limit` of them, as they stand.
    std::expected<std::vector<Row>, JobError> build(std::optional<std::uint64_t> limit);

 private:
    struct Entry {
        std::string_view key;
        std::string_view value;
        bool has_value;
        std::uint32_t client_flags;
        std::uint32_t exptime;
        const Value* columns;
        const Value* ranks;  // what it is sorted by
    };
    Value value_of(const Entry& entry, std::size_t column) const noexcept;
    bool rank(Entry& entry, std::span<const RowOrder> order);
    std::string write_object(const Value* columns) const;
    JobError bound() const;

    PartialAccount& account_;
    const std::vector<std::string>& columns_;
    const std::vector<bool>& lists_;
    std::vector<std::string> names_;  // as JSON, with the colon
    Arena arena_;
    std::vector<Entry> entries_;
};

}  // namespace shardmill::compute
