#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

namespace shardmill::base {

/// Decimal digits only (a leading '-' for signed types), the whole text, no overflow; else nullopt.
template <std::integral Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Longest decimal text of a 64-bit number, with sign.
inline constexpr std::size_t kMaxNumberText = 20;

/// Writes `value` in decimal at `out` (room for kMaxNumberText bytes) and returns the end.
template <std::integral Number>
char* write_number(char* out, Number value) noexcept {
    if (value >= 0 && value < 10) {
        *out = static_cast<char>('0' + value);
        return out + 1;
    }
    return std::to_chars(out, out + kMaxNumberText, value).ptr;
}

}  // namespace shardmill::base
