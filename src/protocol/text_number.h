#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

/// Numbers as the text protocol writes them: for the parsers of this folder, and for executors that
/// read the rest of an administrator's line.
namespace shardmill::protocol {

/// Plain digits, at most 11 of them for 32 and 22 for 64 bits (leading zeros count); nullopt on
/// anything else.
std::optional<std::uint32_t> parse_u32(std::string_view token) noexcept;
std::optional<std::uint64_t> parse_u64(std::string_view token) noexcept;

/// The same with an optional '-', which counts as one of the 11. A lone '-' is 0.
std::optional<std::int32_t> parse_i32(std::string_view token) noexcept;

/// <flags> and <exptime> of the classic storage commands, which follow strtoul and strtol: leading
/// white space and a
/// '+' are skipped, white space ends the number, and what does not fit into 32 bits is cut off, not
/// refused. Refused are negative flags and what does not fit into 64 bits.
std::optional<std::uint32_t> parse_storage_flags(std::string_view token) noexcept;
std::optional<std::int32_t> parse_storage_exptime(std::string_view token) noexcept;

}  // namespace shardmill::protocol
