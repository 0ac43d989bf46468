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
#include "compute/job_limits.h"
#include "compute/partial_account.h"
#include "compute/program.h"
#include "compute/value.h"

namespace shardmill::compute {

/// What rows are sorted by. Rows that are equal in it stand in the order of their keys.
struct RowOrder {
    enum class By : std::uint8_t {
        Emission,  // as the kernel gave them
        Key,       // numbers by value, before other keys by their bytes
        KeyPart,   // the same with one of the parts between tabs
        Field,     // a member of the value
    };
    By by = By::Key;
    std::uint32_t index = 0;  // of the part or the member, from 0
    bool descending = false;
};

/// The rows of a result before they are sorted, cut and written as JSON.
class RowTable {
 public:
    RowTable(PartialAccount& account, const std::vector<std::string>& columns);

    /// Copies everything. Values that are not numbers JSON knows are refused, as are keys over
    /// kMaxRowKeyBytes.
    std::expected<void, JobError> add(std::string_view key, std::optional<std::string_view> value,
                                      std::span<const Value> columns,
                                      std::uint32_t client_flags = 0, std::uint32_t exptime = 0);

    std::expected<std::vector<Row>, JobError> build(const RowOrder& order,
                                                    std::optional<std::uint64_t> limit);

 private:
    struct Entry {
        std::string_view key;
        std::string_view value;
        bool has_value;
        std::uint32_t client_flags;
        std::uint32_t exptime;
        const Value* columns;
    };
    bool before(const RowOrder& order, const Entry& left, const Entry& right) const noexcept;
    std::string write_object(const Value* columns) const;
    JobError bound() const;

    PartialAccount& account_;
    const std::vector<std::string>& columns_;
    std::vector<std::string> names_;  // as JSON, with the colon
    Arena arena_;
    std::vector<Entry> entries_;
};

}  // namespace shardmill::compute
