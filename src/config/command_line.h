#pragma once

#include <expected>
#include <span>
#include <string>

#include "config/config.h"

namespace shardmill::config {

/// The exit codes of a start that does not happen; memcached's.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 64;   // EX_USAGE
inline constexpr int kExitNoUser = 67;  // EX_NOUSER
inline constexpr int kExitOs = 71;      // EX_OSERR

/// The program is done before it began: `text` (with its newline) goes to stdout when `code` is 0,
/// else to stderr.
struct EarlyExit {
    int code = 0;
    std::string text;
};

/// Parses the arguments after the program's name: memcached's options with memcached's meaning, and
/// `-o` for the rest. Checks every value and how they fit together. No side effects; may throw
/// std::bad_alloc.
std::expected<Config, EarlyExit> parse_command_line(std::span<const std::string> arguments);

/// First line of -V and -h.
std::string version_line();

}  // namespace shardmill::config
