#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace shardmill::config {

/// A size in bytes: digits with an optional k, m or g (powers of 1024). nullopt: not one, or over
/// 2^63.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// Octal access bits, 0 to 777.
std::optional<std::uint32_t> parse_mask(std::string_view text);

/// One address of -l: `host`, `host:port`, `[v6]`, `[v6]:port`, `v6` or `*`. Unexpected: what is
/// wrong with it.
std::expected<ListenAddress, std::string> parse_listen_address(std::string_view text,
                                                               int default_port);

/// Splits at any of `separators`, leaving empty parts out.
std::vector<std::string_view> split(std::string_view text, std::string_view separators);

}  // namespace shardmill::config
