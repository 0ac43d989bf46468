#pragma once

#include <optional>
#include <string_view>

#include "compute/scratch.h"
#include "compute/value.h"

namespace shardmill::compute {

/// What a JSON string means, given what stands between its quotes: where it lies if nothing in it
/// is escaped, else in `scratch` (null, should that be exhausted). nullopt: control characters,
/// escapes that JSON does not have, halves of surrogate pairs, or bytes that are not UTF-8.
std::optional<Value> read_json_string(std::string_view raw, Scratch& scratch) noexcept;

/// A number, true, false or null, without white space around it. Numbers are integers where they
/// are written as such and fit, else doubles; nullopt: none of these, or beyond a double's range.
std::optional<Value> read_json_scalar(std::string_view text) noexcept;

}  // namespace shardmill::compute
