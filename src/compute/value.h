#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// What an expression gives for an item: the kernels' own type, so that columns are handed over as
/// they are.
using Value = kernel::Value;

/// Truth in SQL's three values; the order makes "and" the minimum, "or" the maximum.
enum class Truth : std::uint8_t { False = 0, Unknown = 1, True = 2 };

enum class Comparison : std::uint8_t { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };

inline bool is_number(const Value& value) noexcept {
    return value.kind == SHARDMILL_INT || value.kind == SHARDMILL_UNSIGNED ||
           value.kind == SHARDMILL_DOUBLE;
}

/// Int128 enough for every integer there is, and for sums and most products of them.
__extension__ typedef __int128 Int128;

/// Integers only.
inline Int128 wide(const Value& integer) noexcept {
    return integer.kind == SHARDMILL_INT ? static_cast<Int128>(integer.integer)
                                         : static_cast<Int128>(integer.unsigned_integer);
}
/// Numbers only.
inline double as_double(const Value& number) noexcept {
    if (number.kind == SHARDMILL_DOUBLE) return number.number;
    return number.kind == SHARDMILL_INT ? static_cast<double>(number.integer)
                                        : static_cast<double>(number.unsigned_integer);
}
/// As an integer where it fits one, else as a double.
Value narrowed(Int128 integer) noexcept;
/// Null where it is not finite.
Value finite(double number) noexcept;

/// A decimal number as JSON writes it, leading zeros allowed, and nothing else: an integer where it
/// is one that fits, else a double. Null for anything else, also for numbers beyond a double's
/// range.
Value parse_number_text(std::string_view text) noexcept;

/// The number that `value` stands for: numbers, and text that is a number. Else null.
inline Value to_number(const Value& value) noexcept {
    if (is_number(value)) return value;
    return value.kind == SHARDMILL_TEXT ? parse_number_text(kernel::bytes_of(value))
                                        : kernel::null_value();
}

/// Text as the number it is, or as a string: equal values then have the same order and JSON.
inline Value settled(const Value& value) noexcept {
    if (value.kind != SHARDMILL_TEXT) return value;
    const Value number = parse_number_text(kernel::bytes_of(value));
    return kernel::is_null(number) ? kernel::string_value(kernel::bytes_of(value)) : number;
}

/// Exact order of two numbers, integers and doubles mixed: below, at or above zero.
int compare_numbers(const Value& left, const Value& right) noexcept;

/// A comparison as conditions make it: null and what cannot be compared (a JSON string with a
/// number) is Unknown. Numbers by value, booleans false before true, strings byte by byte; text is
/// a number beside a number.
Truth compare(Comparison comparison, const Value& left, const Value& right) noexcept;

/// A total order for min, max and rows: null, booleans, numbers, strings. Text that is a number
/// counts as one.
int total_order(const Value& left, const Value& right) noexcept;

/// Shortest text that reads back as the same value; strings as they are; null as "null".
void append_text(std::string& out, const Value& value);

/// As JSON. Bytes that are not UTF-8 become U+FFFD, since JSON has no way to write them.
void append_json(std::string& out, const Value& value);
void append_json_string(std::string& out, std::string_view text);

/// Printable ASCII as it is, other bytes as \xHH: for messages that go into one line.
std::string printable(std::string_view bytes);

}  // namespace shardmill::compute
