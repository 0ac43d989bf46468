#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace shardmill::config {

/// A size in bytes: digits with an optional k, m or g (powers of 1024). nullopt: not one, or over
/// 2^63.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// Octal access bits, 0 to 777.
std::optional<std::uint32_t> parse_mask(std::string_view text);

/// A number at the beginning of a text, as C's atoi and atof read it, but that there must be one.
template <typename Number>
struct LeadingNumber {
    Number value = 0;
    bool whole = true;  // nothing follows it
};
std::optional<LeadingNumber<std::int64_t>> parse_leading_integer(std::string_view text);
/// Finite.
std::optional<LeadingNumber<double>> parse_leading_fraction(std::string_view text);

/// Splits at any of `separators`, leaving empty parts out.
std::vector<std::string_view> split(std::string_view text, std::string_view separators);

}  // namespace shardmill::config
