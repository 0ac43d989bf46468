#include "compute/accumulator.h"

#include <fmt/format.h>

#include <cmath>

namespace shardmill::compute {

std::unexpected<JobError> out_of_range(const AggregateColumn& column) {
    return std::unexpected(JobError{JobErrorKind::OutOfRange,
                                    fmt::format("{} is out of range", printable(column.text))});
}

std::expected<Value, JobError> checked(double number, const AggregateColumn& column) {
    if (!std::isfinite(number)) return out_of_range(column);
    return kernel::double_value(number);
}

void save_value(const Value& value, kernel::Writer& writer) {
    writer.number(value.kind);
    if (kernel::has_bytes(value)) {
        writer.string(kernel::bytes_of(value));
    } else {
        writer.number(value.unsigned_integer);
    }
}

Value load_value(kernel::Reader& reader) {
    Value value{};
    value.kind = reader.number<std::uint32_t>();
    if (value.kind == SHARDMILL_NULL || value.kind > SHARDMILL_STRING) refuse_damaged();
    if (value.kind == SHARDMILL_STRING) return kernel::string_value(reader.string());
    value.unsigned_integer = reader.number<std::uint64_t>();
    if (value.kind == SHARDMILL_DOUBLE && !std::isfinite(value.number)) refuse_damaged();
    return value;
}

}  // namespace shardmill::compute
