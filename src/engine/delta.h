#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace shardmill::engine {

/// The number a stored value stands for to incr and decr, by the rules of strtoull: blanks and a
/// sign may precede it, and it ends at a blank, a NUL or the end of the value; what follows does
/// not matter. A minus sign is tolerated only where the result, taken modulo 2^64, stays below
/// 2^63. nullopt: not a number, or over 2^64-1.
inline std::optional<std::uint64_t> parse_counter(std::string_view value) noexcept {
    const auto is_blank = [](char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); };
    const char* at = value.data();
    const char* const end = at + value.size();
    while (at != end && is_blank(*at)) ++at;
    const bool negative = at != end && *at == '-';
    if (at != end && (*at == '-' || *at == '+')) ++at;
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc{}) return std::nullopt;
    if (stop != end && !is_blank(*stop) && *stop != '\0') return std::nullopt;
    if (!negative) return number;
    number = -number;
    if (number >> 63 != 0) return std::nullopt;
    return number;
}

/// incr wraps at 2^64, decr stops at 0.
constexpr std::uint64_t apply_delta(std::uint64_t number, std::uint64_t delta,
                                    bool decrement) noexcept {
    if (!decrement) return number + delta;
    return delta > number ? 0 : number - delta;
}

}  // namespace shardmill::engine
