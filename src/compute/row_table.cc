#include "compute/row_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "compute/expression.h"

namespace shardmill::compute {

namespace {

/// Two in a vector that grows by doubling, and the strings' own heads.
constexpr std::uint64_t kEntryBytes = 2 * 64;
constexpr std::uint64_t kRowBytes = sizeof(Row) + 32;

bool is_writable(const Value& value) noexcept {
    return value.kind <= SHARDMILL_TEXT &&
           (value.kind != SHARDMILL_DOUBLE || std::isfinite(value.number));
}

int order_keys(std::string_view left, std::string_view right) noexcept {
    return total_order(kernel::text_value(left), kernel::text_value(right));
}

}  // namespace

RowTable::RowTable(PartialAccount& account, const std::vector<std::string>& columns)
    : account_(account), columns_(columns), arena_(kernel::Host(account.host())) {
    for (const std::string& column : columns) {
        append_json_string(names_.emplace_back(), column);
        names_.back() += ':';
    }
}

JobError RowTable::bound() const {
    return account_.error().value_or(JobError{JobErrorKind::Memory, "needs more memory"});
}

std::expected<void, JobError> RowTable::add(std::string_view key,
                                            std::optional<std::string_view> value,
                                            std::span<const Value> columns,
                                            std::uint32_t client_flags, std::uint32_t exptime) {
    if (key.size() > kMaxRowKeyBytes) {
        return std::unexpected(JobError{
            JobErrorKind::OutOfRange,
            fmt::format("a row's key of {} bytes (at most {})", key.size(), kMaxRowKeyBytes)});
    }
    if (!account_.take(kEntryBytes)) return std::unexpected(bound());
    Entry entry{.key = arena_.copy(key),
                .value = value ? arena_.copy(*value) : "",
                .has_value = value.has_value(),
                .client_flags = client_flags,
                .exptime = exptime,
                .columns = nullptr};
    auto* const copies =
        reinterpret_cast<Value*>(arena_.allocate(columns.size_bytes(), alignof(Value)));
    if (entry.key.data() == nullptr || entry.value.data() == nullptr || copies == nullptr) {
        return std::unexpected(bound());
    }
    for (std::size_t index = 0; index < columns.size(); ++index) {
        if (!is_writable(columns[index])) {
            return std::unexpected(
                JobError{JobErrorKind::OutOfRange,
                         fmt::format("{} is not a value of JSON", printable(columns_[index]))});
        }
        new (copies + index) Value(columns[index]);
        if (!kernel::has_bytes(columns[index])) continue;
        const std::string_view bytes = arena_.copy(kernel::bytes_of(columns[index]));
        if (bytes.data() == nullptr) return std::unexpected(bound());
        copies[index].bytes = bytes.data();
    }
    entry.columns = copies;
    entries_.push_back(entry);
    return {};
}

bool RowTable::before(const RowOrder& order, const Entry& left, const Entry& right) const noexcept {
    int result = 0;
    switch (order.by) {
        case RowOrder::By::Emission:
        case RowOrder::By::Key:
            result = order_keys(left.key, right.key);
            break;
        case RowOrder::By::KeyPart:
            result = total_order(take_field(left.key, "\t", order.index + 1),
                                 take_field(right.key, "\t", order.index + 1));
            break;
        case RowOrder::By::Field:
            result = total_order(left.columns[order.index], right.columns[order.index]);
            break;
    }
    if (order.descending) result = -result;
    if (result == 0) result = order_keys(left.key, right.key);
    if (result == 0) result = left.key.compare(right.key);
    return result < 0;
}

std::string RowTable::write_object(const Value* columns) const {
    std::string out = "{";
    for (std::size_t index = 0; index < names_.size(); ++index) {
        if (index > 0) out += ',';
        out += names_[index];
        append_json(out, columns[index]);
    }
    out += '}';
    return out;
}

std::expected<std::vector<Row>, JobError> RowTable::build(const RowOrder& order,
                                                          std::optional<std::uint64_t> limit) {
    const std::size_t count =
        limit && *limit < entries_.size() ? static_cast<std::size_t>(*limit) : entries_.size();
    const auto before_entry = [this, &order](const Entry& a, const Entry& b) {
        return before(order, a, b);
    };
    if (order.by != RowOrder::By::Emission) {
        const auto middle = entries_.begin() + static_cast<std::ptrdiff_t>(count);
        if (count < entries_.size()) {
            std::partial_sort(entries_.begin(), middle, entries_.end(), before_entry);
        } else {
            std::sort(entries_.begin(), entries_.end(), before_entry);
        }
    }
    std::vector<Row> rows;
    rows.reserve(count);
    for (std::size_t index = 0; index < count; ++index) {
        const Entry& entry = entries_[index];
        Row row{std::string(entry.key),
                entry.has_value ? std::string(entry.value) : write_object(entry.columns),
                entry.client_flags, entry.exptime};
        if (!account_.take(kRowBytes + row.key.size() + row.value.size()))
            return std::unexpected(bound());
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace shardmill::compute
