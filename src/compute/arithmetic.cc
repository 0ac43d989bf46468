#include "compute/arithmetic.h"

#include <cmath>

namespace shardmill::compute {

namespace {

using ast::ExprKind;

Value calculate_integers(ExprKind kind, Int128 left, Int128 right) noexcept {
    Int128 result = 0;
    switch (kind) {
        case ExprKind::Add:
            return narrowed(left + right);
        case ExprKind::Subtract:
            return narrowed(left - right);
        default:
            if (!__builtin_mul_overflow(left, right, &result)) return narrowed(result);
            return kernel::double_value(static_cast<double>(left) * static_cast<double>(right));
    }
}

Value calculate_doubles(ExprKind kind, double left, double right) noexcept {
    switch (kind) {
        case ExprKind::Add:
            return finite(left + right);
        case ExprKind::Subtract:
            return finite(left - right);
        case ExprKind::Multiply:
            return finite(left * right);
        default:
            return right == 0 ? kernel::null_value() : finite(left / right);
    }
}

}  // namespace

Value calculate(ExprKind kind, const Value& left, const Value& right) noexcept {
    const Value a = to_number(left);
    const Value b = to_number(right);
    if (kernel::is_null(a) || kernel::is_null(b)) return kernel::null_value();
    const bool integers = a.kind != SHARDMILL_DOUBLE && b.kind != SHARDMILL_DOUBLE;
    if (integers && kind != ExprKind::Divide) return calculate_integers(kind, wide(a), wide(b));
    return calculate_doubles(kind, as_double(a), as_double(b));
}

Value bucket_of(const Value& number, const Value& width) noexcept {
    if (number.kind == SHARDMILL_NULL) return number;
    if (number.kind == SHARDMILL_INT && width.kind == SHARDMILL_INT && number.integer >= 0) {
        return kernel::int_value(number.integer - number.integer % width.integer);
    }
    if (number.kind != SHARDMILL_DOUBLE && width.kind != SHARDMILL_DOUBLE) {
        const Int128 step = wide(width);
        const Int128 value = wide(number);
        const Int128 remainder = value % step;
        return narrowed(value - remainder - (remainder < 0 ? step : 0));
    }
    const double step = as_double(width);
    return finite(std::floor(as_double(number) / step) * step);
}

}  // namespace shardmill::compute
