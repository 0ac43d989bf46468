#include "compute/expression.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace shardmill::compute {

namespace {

using ast::ExprKind;
__extension__ typedef __int128 Wide;

Wide wide(const Value& integer) noexcept {
    return integer.kind == SHARDMILL_INT ? static_cast<Wide>(integer.integer)
                                         : static_cast<Wide>(integer.unsigned_integer);
}

double as_double(const Value& number) noexcept {
    switch (number.kind) {
        case SHARDMILL_INT:
            return static_cast<double>(number.integer);
        case SHARDMILL_UNSIGNED:
            return static_cast<double>(number.unsigned_integer);
        default:
            return number.number;
    }
}

Touches touches_of(ExprKind kind) noexcept {
    switch (kind) {
        case ExprKind::Path:
            return Touches::Bytes | Touches::Fields;
        case ExprKind::Value:
        case ExprKind::TextField:
            return Touches::Bytes;
        case ExprKind::Key:
        case ExprKind::KeyField:
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

}  // namespace

Expression Expression::compile(const ast::Expr& expr, PathSet& paths) {
    Expression compiled;
    compiled.kind_ = expr.kind;
    compiled.touches_ = touches_of(expr.kind);
    compiled.field_ = expr.kind == ExprKind::Path ? paths.add(expr.path) : expr.field;
    compiled.literal_ = expr.literal;
    compiled.bytes_ = expr.bytes;
    compiled.text_ = expr.text;
    if (expr.operand) {
        compiled.operand_ = std::make_unique<Expression>(compile(*expr.operand, paths));
        compiled.touches_ = compiled.operand_->touches_;
    }
    return compiled;
}

Value Expression::literal() const noexcept {
    return literal_.kind == SHARDMILL_STRING ? kernel::string_value(bytes_) : literal_;
}

void Expression::evaluate(const Block& block, Column& out) const noexcept {
    switch (kind_) {
        case ExprKind::Literal:
            std::fill_n(out.begin(), block.count, literal());
            return;
        case ExprKind::Path:
            std::copy_n(block.fields[field_].begin(), block.count, out.begin());
            return;
        case ExprKind::Key:
            fill(block, out,
                 [](const kernel::Item& item) { return kernel::text_value(kernel::key_of(item)); });
            return;
        case ExprKind::Value:
            fill(block, out, [](const kernel::Item& item) {
                return kernel::text_value(kernel::value_of(item));
            });
            return;
        case ExprKind::KeyField:
            fill(block, out, [this](const kernel::Item& item) {
                return take_field(kernel::key_of(item), bytes_, field_);
            });
            return;
        case ExprKind::TextField:
            fill(block, out, [this](const kernel::Item& item) {
                return take_field(kernel::value_of(item), bytes_, field_);
            });
            return;
        case ExprKind::Size:
            fill(block, out,
                 [](const kernel::Item& item) { return kernel::int_value(item.value_bytes); });
            return;
        case ExprKind::KeySize:
            fill(block, out,
                 [](const kernel::Item& item) { return kernel::int_value(item.key_bytes); });
            return;
        case ExprKind::Cas:
            fill(block, out,
                 [](const kernel::Item& item) { return kernel::unsigned_value(item.cas); });
            return;
        case ExprKind::Now:
            std::fill_n(out.begin(), block.count, kernel::int_value(block.now));
            return;
        case ExprKind::Idle:
            fill(block, out,
                 [&block](const kernel::Item& item) { return idle_of(item, block.now); });
            return;
        case ExprKind::Fetched:
            fill(block, out, [](const kernel::Item& item) { return fetched_of(item); });
            return;
        case ExprKind::Flags:
            fill(block, out,
                 [](const kernel::Item& item) { return kernel::int_value(item.client_flags); });
            return;
        case ExprKind::Ttl:
            fill(block, out,
                 [&block](const kernel::Item& item) { return ttl_of(item, block.now); });
            return;
        case ExprKind::Bucket:
            evaluate_bucket(block, out);
            return;
    }
}

void Expression::evaluate_bucket(const Block& block, Column& out) const noexcept {
    operand_->evaluate(block, out);
    for (std::uint32_t index = 0; index < block.count; ++index)
        out[index] = bucket_of(to_number(out[index]), literal_);
}

Value take_field(std::string_view text, std::string_view delimiter, std::uint32_t field) noexcept {
    std::size_t start = 0;
    while (true) {
        const std::size_t end =
            delimiter.size() == 1 ? text.find(delimiter[0], start) : text.find(delimiter, start);
        if (--field == 0)
            return kernel::text_value(
                text.substr(start, end == std::string_view::npos ? end : end - start));
        if (end == std::string_view::npos) return kernel::null_value();
        start = end + delimiter.size();
    }
}

Value bucket_of(const Value& number, const Value& width) noexcept {
    if (number.kind == SHARDMILL_NULL) return number;
    if (number.kind == SHARDMILL_INT && width.kind == SHARDMILL_INT && number.integer >= 0) {
        return kernel::int_value(number.integer - number.integer % width.integer);
    }
    if (number.kind != SHARDMILL_DOUBLE && width.kind != SHARDMILL_DOUBLE) {
        const Wide step = wide(width);
        const Wide value = wide(number);
        const Wide remainder = value % step;
        const Wide start = value - remainder - (remainder < 0 ? step : 0);
        if (start >= INT64_MIN) {
            return start <= INT64_MAX ? kernel::int_value(static_cast<std::int64_t>(start))
                                      : kernel::unsigned_value(static_cast<std::uint64_t>(start));
        }
    }
    const double step = as_double(width);
    const double start = std::floor(as_double(number) / step) * step;
    return std::isfinite(start) ? kernel::double_value(start) : kernel::null_value();
}

}  // namespace shardmill::compute
