#include "compute/row_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "compute/expression.h"

namespace shardmill::compute {

namespace {

/// Two in a vector that grows by doubling, and the strings' own heads.
constexpr std::uint64_t kEntryBytes = 2 * 72;
constexpr std::uint64_t kRowBytes = sizeof(Row) + 32;

bool is_writable(const Value& value) noexcept {
    return value.kind <= SHARDMILL_TEXT &&
           (value.kind != SHARDMILL_DOUBLE || std::isfinite(value.number));
}

}  // namespace

RowTable::RowTable(PartialAccount& account, const std::vector<std::string>& columns,
                   const std::vector<bool>& lists)
    : account_(account), columns_(columns), lists_(lists), arena_(kernel::Host(account.host())) {
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
                .columns = nullptr,
                .ranks = nullptr};
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

Value RowTable::value_of(const Entry& entry, std::size_t column) const noexcept {
    if (column < columns_.size()) return entry.columns[column];
    if (column == columns_.size()) return kernel::text_value(entry.key);
    const auto part = static_cast<std::uint32_t>(column - columns_.size());
    return take_field(entry.key, "\t", part);
}

std::expected<void, JobError> RowTable::filter(const Condition& condition, std::size_t parts) {
    const std::size_t fields = columns_.size() + 1 + parts;
    const std::uint64_t bytes = sizeof(Block) + fields * sizeof(Column);
    if (!account_.take(bytes)) return std::unexpected(bound());
    const auto block = std::make_unique<Block>(kernel::Host(account_.host()), fields);
    TruthColumn truth;
    std::size_t kept = 0;
    for (std::size_t start = 0; start < entries_.size(); start += block->count) {
        block->clear();
        block->count =
            static_cast<std::uint32_t>(std::min<std::size_t>(kBlockItems, entries_.size() - start));
        for (std::size_t column = 0; column < fields; ++column) {
            for (std::uint32_t row = 0; row < block->count; ++row)
                block->fields[column][row] = value_of(entries_[start + row], column);
        }
        condition.evaluate(*block, truth);
        if (block->scratch->exhausted()) return std::unexpected(bound());
        for (std::uint32_t row = 0; row < block->count; ++row) {
            if (truth[row] == Truth::True) entries_[kept++] = entries_[start + row];
        }
    }
    entries_.resize(kept);
    account_.give(bytes);
    return {};
}

/// Settles what the row is compared by once, instead of in every comparison.
bool RowTable::rank(Entry& entry, std::span<const RowOrder> order) {
    auto* const ranks = reinterpret_cast<Value*>(
        arena_.allocate((order.size() + 1) * sizeof(Value), alignof(Value)));
    if (ranks == nullptr) return false;
    for (std::size_t index = 0; index < order.size(); ++index)
        new (ranks + index) Value(settled(value_of(entry, order[index].column)));
    new (ranks + order.size()) Value(settled(kernel::text_value(entry.key)));
    entry.ranks = ranks;
    return true;
}

std::expected<void, JobError> RowTable::sort(std::span<const RowOrder> order,
                                             std::optional<std::uint64_t> limit) {
    for (Entry& entry : entries_) {
        if (!rank(entry, order)) return std::unexpected(bound());
    }
    const auto before = [order](const Entry& left, const Entry& right) {
        for (std::size_t index = 0; index < order.size(); ++index) {
            const int result = total_order(left.ranks[index], right.ranks[index]);
            if (result != 0) return order[index].descending ? result > 0 : result < 0;
        }
        const int result = total_order(left.ranks[order.size()], right.ranks[order.size()]);
        return result != 0 ? result < 0 : left.key < right.key;
    };
    if (limit && *limit < entries_.size()) {
        const auto middle = entries_.begin() + static_cast<std::ptrdiff_t>(*limit);
        std::partial_sort(entries_.begin(), middle, entries_.end(), before);
    } else {
        std::sort(entries_.begin(), entries_.end(), before);
    }
    return {};
}

std::string RowTable::write_object(const Value* columns) const {
    std::string out = "{";
    for (std::size_t index = 0; index < names_.size(); ++index) {
        if (index > 0) out += ',';
        out += names_[index];
        if (index < lists_.size() && lists_[index]) {
            out += kernel::bytes_of(columns[index]);
        } else {
            append_json(out, columns[index]);
        }
    }
    out += '}';
    return out;
}

std::expected<std::vector<Row>, JobError> RowTable::build(std::optional<std::uint64_t> limit) {
    const std::size_t count =
        limit && *limit < entries_.size() ? static_cast<std::size_t>(*limit) : entries_.size();
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
