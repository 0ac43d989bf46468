#include "compute/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/utf8.h"

namespace shardmill::compute {

namespace {

using kernel::bytes_of;
using kernel::has_bytes;

bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

/// from_chars also takes "inf", "nan" and "1."; this is the part of the check it does not do.
/// `digits` has no sign and begins with one.
bool looks_like_number(std::string_view digits) noexcept {
    const std::size_t dot = digits.find('.');
    return dot == std::string_view::npos || (dot + 1 < digits.size() && is_digit(digits[dot + 1]));
}

/// Nearly all integers have at most this many digits, which fit whatever they are.
constexpr std::size_t kShortDigits = 18;

std::optional<std::int64_t> parse_short(std::string_view digits) noexcept {
    std::int64_t number = 0;
    for (const char byte : digits) {
        if (!is_digit(byte)) return std::nullopt;
        number = number * 10 + (byte - '0');
    }
    return number;
}

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) noexcept {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// Of a number beyond a double's range: whether it is too near to zero rather than too far away.
bool is_tiny(std::string_view text) noexcept {
    const std::size_t mark = text.find_first_of("eE");
    std::int32_t exponent = 0;
    if (mark != std::string_view::npos) {
        const std::string_view written =
            text.substr(mark + (text.substr(mark + 1).starts_with('+') ? 2 : 1));
        const char* const end = written.data() + written.size();
        if (std::from_chars(written.data(), end, exponent).ec != std::errc{})
            return written.starts_with('-');
    }
    const std::string_view mantissa = text.substr(0, mark);
    const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
    const std::size_t first = mantissa.find_first_of("123456789");
    return exponent + static_cast<std::int64_t>(point) < static_cast<std::int64_t>(first);
}

Value parse_double(std::string_view text) noexcept {
    const char* const end = text.data() + text.size();
    double number = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (stop != end) return kernel::null_value();
    if (error == std::errc{}) return kernel::double_value(number);
    return is_tiny(text) ? kernel::double_value(text.starts_with('-') ? -0.0 : 0.0)
                         : kernel::null_value();
}

/// Int128 enough to hold every int64, uint64 and double exactly.
long double widen(const Value& value) noexcept {
    switch (value.kind) {
        case SHARDMILL_INT:
            return static_cast<long double>(value.integer);
        case SHARDMILL_UNSIGNED:
            return static_cast<long double>(value.unsigned_integer);
        default:
            return static_cast<long double>(value.number);
    }
}

template <typename Number>
int order_of(const Number& left, const Number& right) noexcept {
    return left < right ? -1 : right < left ? 1 : 0;
}

Truth apply(Comparison comparison, int order) noexcept {
    bool truth = false;
    switch (comparison) {
        case Comparison::Equal:
            truth = order == 0;
            break;
        case Comparison::NotEqual:
            truth = order != 0;
            break;
        case Comparison::Less:
            truth = order < 0;
            break;
        case Comparison::LessEqual:
            truth = order <= 0;
            break;
        case Comparison::Greater:
            truth = order > 0;
            break;
        case Comparison::GreaterEqual:
            truth = order >= 0;
            break;
    }
    return truth ? Truth::True : Truth::False;
}

int rank_of(const Value& value) noexcept {
    if (value.kind == SHARDMILL_NULL) return 0;
    if (value.kind == SHARDMILL_BOOL) return 1;
    return is_number(value) ? 2 : 3;
}

/// What follows the backslash where JSON has a short form, else 0.
char short_escape(char byte) noexcept {
    switch (byte) {
        case '"':
        case '\\':
            return byte;
        case '\b':
            return 'b';
        case '\f':
            return 'f';
        case '\n':
            return 'n';
        case '\r':
            return 'r';
        case '\t':
            return 't';
        default:
            return 0;
    }
}

}  // namespace

Value parse_number_text(std::string_view text) noexcept {
    const bool negative = text.starts_with('-');
    const std::string_view digits = text.substr(negative ? 1 : 0);
    if (digits.empty() || !is_digit(digits[0])) return kernel::null_value();
    if (digits.size() <= kShortDigits) {
        if (const auto number = parse_short(digits))
            return kernel::int_value(negative ? -*number : *number);
    }
    if (!looks_like_number(digits)) return kernel::null_value();
    if (const auto number = parse_whole<std::int64_t>(text)) return kernel::int_value(*number);
    if (const auto number = parse_whole<std::uint64_t>(text))
        return kernel::unsigned_value(*number);
    return parse_double(text);
}

Value narrowed(Int128 integer) noexcept {
    if (integer >= INT64_MIN && integer <= INT64_MAX)
        return kernel::int_value(static_cast<std::int64_t>(integer));
    if (integer > 0 && integer <= static_cast<Int128>(UINT64_MAX))
        return kernel::unsigned_value(static_cast<std::uint64_t>(integer));
    return kernel::double_value(static_cast<double>(integer));
}

Value finite(double number) noexcept {
    return std::isfinite(number) ? kernel::double_value(number) : kernel::null_value();
}

int compare_numbers(const Value& left, const Value& right) noexcept {
    static_assert(__LDBL_MANT_DIG__ >= 64, "integers must fit a long double");
    if (left.kind == SHARDMILL_INT && right.kind == SHARDMILL_INT)
        return order_of(left.integer, right.integer);
    return order_of(widen(left), widen(right));
}

Truth compare(Comparison comparison, const Value& left, const Value& right) noexcept {
    if (left.kind == SHARDMILL_NULL || right.kind == SHARDMILL_NULL) return Truth::Unknown;
    if (is_number(left) || is_number(right)) {
        const Value a = to_number(left);
        const Value b = to_number(right);
        if (a.kind == SHARDMILL_NULL || b.kind == SHARDMILL_NULL) return Truth::Unknown;
        return apply(comparison, compare_numbers(a, b));
    }
    if (left.kind == SHARDMILL_BOOL && right.kind == SHARDMILL_BOOL) {
        return apply(comparison, order_of(left.integer, right.integer));
    }
    if (has_bytes(left) && has_bytes(right))
        return apply(comparison, bytes_of(left).compare(bytes_of(right)));
    return Truth::Unknown;
}

int total_order(const Value& left, const Value& right) noexcept {
    const auto plain = [](const Value& value) noexcept {
        const Value number = to_number(value);
        return number.kind == SHARDMILL_NULL ? value : number;
    };
    const Value a = plain(left);
    const Value b = plain(right);
    if (rank_of(a) != rank_of(b)) return order_of(rank_of(a), rank_of(b));
    switch (rank_of(a)) {
        case 0:
            return 0;
        case 1:
            return order_of(a.integer, b.integer);
        case 2:
            return compare_numbers(a, b);
        default:
            return bytes_of(a).compare(bytes_of(b));
    }
}

void append_text(std::string& out, const Value& value) {
    switch (value.kind) {
        case SHARDMILL_NULL:
            out += "null";
            return;
        case SHARDMILL_BOOL:
            out += value.integer != 0 ? "true" : "false";
            return;
        case SHARDMILL_INT:
            fmt::format_to(std::back_inserter(out), "{}", value.integer);
            return;
        case SHARDMILL_UNSIGNED:
            fmt::format_to(std::back_inserter(out), "{}", value.unsigned_integer);
            return;
        case SHARDMILL_DOUBLE:
            fmt::format_to(std::back_inserter(out), "{}", value.number);
            return;
        default:
            out += bytes_of(value);
            return;
    }
}

void append_json(std::string& out, const Value& value) {
    if (has_bytes(value)) {
        append_json_string(out, bytes_of(value));
    } else {
        append_text(out, value);
    }
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const std::size_t length = base::utf8_sequence(text);
        const char byte = text[0];
        if (length == 0) {
            out += "\xef\xbf\xbd";
        } else if (const char letter = short_escape(byte); letter != 0) {
            out += '\\';
            out += letter;
        } else if (static_cast<unsigned char>(byte) < 0x20) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(byte));
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out += '"';
}

std::string printable(std::string_view bytes) {
    std::string out;
    for (const char byte : bytes) {
        if (byte >= 0x20 && byte < 0x7f) {
            out += byte;
        } else {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(byte));
        }
    }
    return out;
}

}  // namespace shardmill::compute
