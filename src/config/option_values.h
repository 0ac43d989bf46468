#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/number.h"
#include "config/option_table.h"
#include "config/values.h"

// What the rows of the option tables have in common: each takes a value of one kind, or refuses it
// and says what is allowed.

namespace shardmill::config {

inline constexpr std::uint32_t kMaxThreads = 256;

inline std::unexpected<Refusal> refuse(int code, std::string allowed) {
    return std::unexpected(Refusal{code, std::move(allowed), false});
}

/// A number as C's atoi reads it: memcached takes `64m` for 64, and so do we, but aloud.
Applied take_leading_number(Draft& draft, std::string_view text, std::int64_t min, std::int64_t max,
                            std::int64_t& out, int code = kExitFailure);

template <std::integral Number>
Applied take_leading(Draft& draft, std::string_view text, std::int64_t min, std::int64_t max,
                     Number& out, int code = kExitFailure) {
    std::int64_t number = 0;
    auto taken = take_leading_number(draft, text, min, max, number, code);
    if (taken) out = static_cast<Number>(number);
    return taken;
}

/// A number with a fraction, as C's atof reads it. `allowed` is what `fits` lets through, in words.
Applied take_leading_fraction(Draft& draft, std::string_view text, bool (*fits)(double),
                              const char* allowed, double& out);

/// Digits and nothing else.
template <std::integral Number>
Applied take_number(std::string_view text, Number min, Number max, Number& out) {
    const auto number = base::parse_number<Number>(text);
    if (!number || *number < min || *number > max) {
        return refuse(kExitFailure, fmt::format("give a whole number from {} to {}", min, max));
    }
    out = *number;
    return {};
}

/// Any unsigned 32-bit number, multiplied by `unit` into a wider or equal type that must hold it.
template <std::integral Number>
Applied take_units(std::string_view text, std::uint64_t unit, Number& out) {
    std::uint64_t number = 0;
    const std::uint64_t max =
        std::min<std::uint64_t>(UINT32_MAX, std::numeric_limits<Number>::max() / unit);
    auto taken = take_number<std::uint64_t>(text, 0, max, number);
    if (taken) out = static_cast<Number>(number * unit);
    return taken;
}

/// Made absolute: -d changes to /, and a relative path would mean something else by then.
Applied take_path(std::string_view text, std::string& out);
Applied take_directory(std::string_view text, std::string& out);

/// Nothing to do or to check.
inline Applied accept(Draft&, std::string_view) { return {}; }

}  // namespace shardmill::config
