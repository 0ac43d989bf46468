#pragma once

#include <fmt/format.h>

#include <string_view>

namespace shardmill::base {

/// Sets what `log_verbose` lets through: 0 errors only, 1 -v, 2 -vv and more. Any thread, at any
/// time.
void set_verbosity(int level) noexcept;
int verbosity() noexcept;

/// One line on stderr, written with a single write(2), prefixed "shardmill: ". What clients have
/// said may be in it: control characters become '?'. Never from a reactor's request path.
void log_line(std::string_view text) noexcept;

/// Something an operator should act on.
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
    log_line(fmt::format(format, std::forward<Args>(args)...));
}

/// Shown from `level` (1 = -v) upwards.
template <typename... Args>
void log_verbose(int level, fmt::format_string<Args...> format, Args&&... args) {
    if (verbosity() >= level) log_line(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace shardmill::base
