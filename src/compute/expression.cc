#include "compute/expression.h"

#include <algorithm>
#include <cstring>

#include "compute/arithmetic.h"
#include "compute/byte_search.h"

namespace shardmill::compute {

namespace {

using ast::ExprKind;

Touches touches_of(ExprKind kind) noexcept {
    switch (kind) {
        case ExprKind::Path:
            return Touches::Bytes | Touches::Fields;
        case ExprKind::Value:
            return Touches::Bytes;
        case ExprKind::Key:
            return Touches::Key;
        case ExprKind::Idle:
        case ExprKind::Fetched:
            return Touches::Access;
        default:
            return Touches::Header;
    }
}

Value ttl_of(const kernel::Item& item, std::uint32_t now) noexcept {
    if (item.exptime == 0) return kernel::null_value();
    return kernel::int_value(std::int64_t{item.exptime} - std::int64_t{now});
}

/// An item may have been read since the moment the job looks at.
Value idle_of(const kernel::Item& item, std::uint32_t now) noexcept {
    if (item.last_access == 0) return kernel::null_value();
    return kernel::int_value(now > item.last_access ? now - item.last_access : 0);
}

Value fetched_of(const kernel::Item& item) noexcept {
    if (item.last_access == 0) return kernel::null_value();
    return kernel::bool_value((item.marks & SHARDMILL_ITEM_FETCHED) != 0);
}

template <typename Read>
void fill(const Block& block, Column& out, Read&& read) noexcept {
    for (std::uint32_t index = 0; index < block.count; ++index)
        out[index] = read(block.items[index]);
}

/// ASCII only; what has nothing to lower stays where it is.
Value lowered(const Value& value, Scratch& scratch) noexcept {
    if (!kernel::has_bytes(value)) return value;
    const std::string_view text = kernel::bytes_of(value);
    const auto is_upper = [](char byte) { return byte >= 'A' && byte <= 'Z'; };
    if (std::ranges::none_of(text, is_upper)) return value;
    char* const room = scratch.take(text.size());
    if (room == nullptr) return kernel::null_value();
    std::ranges::transform(text, room, [is_upper](char byte) {
        return is_upper(byte) ? static_cast<char>(byte | 0x20) : byte;
    });
    Value out = value;
    out.bytes = room;
    return out;
}

/// npos: there are fewer.
std::size_t start_of_field(std::string_view text, std::string_view delimiter,
                           std::uint32_t field) noexcept {
    if (field > 1 && delimiter.size() == 1) {
        const std::size_t before = find_nth(text, delimiter[0], field - 1);
        return before == std::string_view::npos ? before : before + 1;
    }
    std::size_t start = 0;
    for (; field > 1; --field) {
        const std::size_t before = text.find(delimiter, start);
        if (before == std::string_view::npos) return before;
        start = before + delimiter.size();
    }
    return start;
}

Value time_text(const Value& value, TimeUnit unit, std::int64_t width, Scratch& scratch) noexcept {
    const auto moment = unix_seconds(value);
    if (!moment) return kernel::null_value();
    char* const room = scratch.take(kTimeTextBytes);
    if (room == nullptr) return kernel::null_value();
    return kernel::string_value(
        {room, write_time(room, time_bucket(*moment, unit, width), unit, width)});
}

}  // namespace

Expression Expression::compile(const ast::Expr& expr, PathSet& paths) {
    Expression compiled;
    compiled.kind_ = expr.kind;
    compiled.touches_ = touches_of(expr.kind);
    compiled.field_ = expr.kind == ExprKind::Path ? paths.add(expr.path) : expr.field;
    compiled.unit_ = expr.unit;
    compiled.literal_ = expr.literal;
    compiled.bytes_ = expr.bytes;
    compiled.text_ = expr.text;
    for (const ast::Expr& operand : expr.operands) {
        compiled.operands_.push_back(compile(operand, paths));
        compiled.touches_ = compiled.touches_ | compiled.operands_.back().touches_;
    }
    return compiled;
}

Value Expression::literal() const noexcept {
    return literal_.kind == SHARDMILL_STRING ? kernel::string_value(bytes_) : literal_;
}

void Expression::evaluate(const Block& block, Column& out) const noexcept {
    if (operands_.empty()) return evaluate_leaf(block, out);
    operands_[0].evaluate(block, out);
    if (operands_.size() == 2) return evaluate_operation(block, out);
    for (std::uint32_t index = 0; index < block.count; ++index)
        out[index] = apply(out[index], *block.scratch);
}

void Expression::evaluate_leaf(const Block& block, Column& out) const noexcept {
    using kernel::Item;
    switch (kind_) {
        case ExprKind::Path:
        case ExprKind::RowColumn:
            std::copy_n(block.fields[field_].begin(), block.count, out.begin());
            return;
        case ExprKind::Key:
            return fill(block, out,
                        [](const Item& item) { return kernel::text_value(kernel::key_of(item)); });
        case ExprKind::Value:
            return fill(block, out, [](const Item& item) {
                return kernel::text_value(kernel::value_of(item));
            });
        case ExprKind::Size:
            return fill(block, out,
                        [](const Item& item) { return kernel::int_value(item.value_bytes); });
        case ExprKind::KeySize:
            return fill(block, out,
                        [](const Item& item) { return kernel::int_value(item.key_bytes); });
        case ExprKind::Flags:
            return fill(block, out,
                        [](const Item& item) { return kernel::int_value(item.client_flags); });
        case ExprKind::Cas:
            return fill(block, out,
                        [](const Item& item) { return kernel::unsigned_value(item.cas); });
        case ExprKind::Ttl:
            return fill(block, out, [&](const Item& item) { return ttl_of(item, block.now); });
        case ExprKind::Idle:
            return fill(block, out, [&](const Item& item) { return idle_of(item, block.now); });
        case ExprKind::Fetched:
            return fill(block, out, [](const Item& item) { return fetched_of(item); });
        case ExprKind::Now:
            std::fill_n(out.begin(), block.count, kernel::int_value(block.now));
            return;
        default:
            std::fill_n(out.begin(), block.count, literal());
            return;
    }
}

void Expression::evaluate_operation(const Block& block, Column& out) const noexcept {
    if (operands_[1].is_literal()) {
        const Value right = operands_[1].literal();
        for (std::uint32_t index = 0; index < block.count; ++index)
            out[index] = calculate(kind_, out[index], right);
        return;
    }
    Column right;
    operands_[1].evaluate(block, right);
    for (std::uint32_t index = 0; index < block.count; ++index)
        out[index] = calculate(kind_, out[index], right[index]);
}

Value Expression::apply(const Value& operand, Scratch& scratch) const noexcept {
    switch (kind_) {
        case ExprKind::Part:
            if (!kernel::has_bytes(operand)) return kernel::null_value();
            return take_field(kernel::bytes_of(operand), bytes_, field_);
        case ExprKind::Bucket:
            return bucket_of(to_number(operand), literal_);
        case ExprKind::Time:
            return time_text(operand, unit_, literal_.integer, scratch);
        case ExprKind::Unix: {
            const auto moment = unix_seconds(operand);
            return moment ? kernel::int_value(*moment) : kernel::null_value();
        }
        case ExprKind::Lower:
            return lowered(operand, scratch);
        default:  // Length
            return kernel::has_bytes(operand) ? kernel::int_value(operand.bytes_count)
                                              : kernel::null_value();
    }
}

Value take_field(std::string_view text, std::string_view delimiter, std::uint32_t field) noexcept {
    const std::size_t start = start_of_field(text, delimiter, field);
    if (start == std::string_view::npos) return kernel::null_value();
    const std::size_t end = text.find(delimiter, start);
    return kernel::text_value(text.substr(start, std::min(end, text.size()) - start));
}

}  // namespace shardmill::compute
