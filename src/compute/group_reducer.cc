#include "compute/group_reducer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "compute/aggregates.h"

namespace shardmill::compute {

namespace {

constexpr std::string_view kEverything = "*";

void append_part(std::string& key, std::string_view part) {
    if (part.find_first_of("\t\\") == std::string_view::npos) {
        key += part;
        return;
    }
    for (const char byte : part) {
        if (byte == '\t') {
            key += "\\t";
        } else if (byte == '\\') {
            key += "\\\\";
        } else {
            key += byte;
        }
    }
}

}  // namespace

Touches GroupPlan::add(const ast::Aggregate& aggregate, PathSet& paths) {
    std::string key = accumulator_key(aggregate);
    const auto known = std::ranges::find(keys_, key);
    const auto index = static_cast<std::size_t>(known - keys_.begin());
    if (known == keys_.end()) {
        accumulators.push_back(make_accumulator(aggregate, paths));
        accumulators.back()->place(record_bytes);
        record_bytes += accumulators.back()->bytes();
        keys_.push_back(std::move(key));
    }
    columns.push_back({aggregate.kind, aggregate.text, aggregate.number, index});
    return accumulators[index]->touches();
}

GroupReducer::GroupReducer(const GroupPlan& plan, PartialAccount& account)
    : plan_(plan),
      account_(account),
      table_(kernel::Host(account.host()), plan.record_bytes),
      group_columns_(plan.groups.size()) {}

std::unexpected<JobError> GroupReducer::bound() const {
    return std::unexpected(
        account_.error().value_or(JobError{JobErrorKind::Memory, "needs more memory"}));
}

Status GroupReducer::map(const Block& block) {
    if (!plan_.groups.empty()) return map_grouped(block);
    char* const record = table_.find_or_insert(kEverything);
    if (record == nullptr) return bound();
    for (const auto& accumulator : plan_.accumulators) {
        if (!accumulator->update(block, Records(record), table_.arena())) return bound();
    }
    return {};
}

Status GroupReducer::map_grouped(const Block& block) {
    for (std::size_t group = 0; group < plan_.groups.size(); ++group) {
        plan_.groups[group].evaluate(block, group_columns_[group]);
    }
    std::array<char*, kBlockItems> records;
    for (std::uint32_t index = 0; index < block.count; ++index) {
        if ((records[index] = recall(index)) != nullptr) continue;
        std::string_view key;
        if (!key_of(index, key)) {
            return std::unexpected(
                JobError{JobErrorKind::OutOfRange,
                         fmt::format("a group of more than {} bytes", kMaxRowKeyBytes)});
        }
        records[index] = table_.find_or_insert(key);
        if (records[index] == nullptr) return bound();
        remember(index, records[index]);
    }
    for (const auto& accumulator : plan_.accumulators) {
        if (!accumulator->update(block, Records(records.data()), table_.arena())) return bound();
    }
    return {};
}

GroupReducer::Remembered* GroupReducer::memory_of(std::uint32_t index) noexcept {
    const Value& value = group_columns_.front()[index];
    if (group_columns_.size() > 1 || kernel::has_bytes(value)) return nullptr;
    constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15u;
    return &remembered_[(value.unsigned_integer * kGolden >> 32) % remembered_.size()];
}

char* GroupReducer::recall(std::uint32_t index) noexcept {
    const Remembered* const memory = memory_of(index);
    if (memory == nullptr || memory->record == nullptr) return nullptr;
    const Value& value = group_columns_.front()[index];
    const bool same = memory->value.kind == value.kind &&
                      memory->value.unsigned_integer == value.unsigned_integer;
    return same ? memory->record : nullptr;
}

void GroupReducer::remember(std::uint32_t index, char* record) noexcept {
    if (Remembered* const memory = memory_of(index))
        *memory = {group_columns_.front()[index], record};
}

bool GroupReducer::key_of(std::uint32_t index, std::string_view& key) {
    const bool single = group_columns_.size() == 1;
    const Value& first = group_columns_.front()[index];
    if (single && kernel::has_bytes(first)) {
        key = kernel::bytes_of(first);
        return key.size() <= kMaxRowKeyBytes;
    }
    key_.clear();
    for (const Column& column : group_columns_) {
        const Value& value = column[index];
        if (kernel::has_bytes(value) && value.bytes_count > kMaxRowKeyBytes) return false;
        if (&column != &group_columns_.front()) key_ += '\t';
        if (kernel::has_bytes(value) && !single) {
            append_part(key_, kernel::bytes_of(value));
        } else {
            append_text(key_, value);
        }
    }
    key = key_;
    return key.size() <= kMaxRowKeyBytes;
}

Status GroupReducer::merge(Reducer& other) {
    auto& from = static_cast<GroupReducer&>(other);
    const bool done = from.table_.for_each([this](std::string_view key, const char* record) {
        char* const into = table_.find_or_insert(key);
        if (into == nullptr) return false;
        for (const auto& accumulator : plan_.accumulators) {
            if (!accumulator->merge(into, record, table_.arena())) return false;
        }
        return true;
    });
    if (!done) return bound();
    return {};
}

Status GroupReducer::save(shardmill_write_function write, void* context) {
    try {
        kernel::Writer writer(write, context);
        writer.number(static_cast<std::uint64_t>(table_.size()));
        table_.for_each([&](std::string_view key, const char* record) {
            writer.string(key);
            for (const auto& accumulator : plan_.accumulators) accumulator->save(record, writer);
            return true;
        });
        return {};
    } catch (const kernel::Error&) {
        return bound();
    }
}

void GroupReducer::load_groups(kernel::Reader& reader, bool& bound) {
    for (auto count = reader.number<std::uint64_t>(); count > 0; --count) {
        const std::string_view key = reader.string();
        if (key.size() > kMaxRowKeyBytes) throw kernel::Error("the saved partial is damaged");
        char* const record = table_.find_or_insert(key);
        bound = record == nullptr;
        for (const auto& accumulator : plan_.accumulators) {
            bound = bound || !accumulator->load(record, reader, table_.arena());
        }
        if (bound) return;
    }
    if (!reader.at_end()) throw kernel::Error("the saved partial is too long");
}

Status GroupReducer::load(std::string_view bytes) {
    bool reached = false;
    try {
        kernel::Reader reader(bytes);
        load_groups(reader, reached);
    } catch (const kernel::Error& error) {
        return std::unexpected(JobError{JobErrorKind::BadPartial, error.what()});
    }
    if (reached) return bound();
    return {};
}

Status GroupReducer::finish(RowTable& rows) {
    if (plan_.groups.empty() && table_.find_or_insert(kEverything) == nullptr) return bound();
    Status status;
    std::vector<Value> columns(plan_.columns.size());
    lists_.resize(plan_.columns.size());
    table_.for_each([&](std::string_view key, const char* record) {
        for (std::size_t index = 0; index < columns.size(); ++index) {
            const AggregateColumn& column = plan_.columns[index];
            const auto value =
                plan_.accumulators[column.accumulator]->finish(record, column, lists_[index]);
            if (!value) {
                status = std::unexpected(JobError{
                    value.error().kind, fmt::format("{} in group {}", value.error().message,
                                                    printable(key.substr(0, 100)))});
                return false;
            }
            columns[index] = *value;
        }
        status = rows.add(key, std::nullopt, columns);
        return status.has_value();
    });
    return status;
}

}  // namespace shardmill::compute
