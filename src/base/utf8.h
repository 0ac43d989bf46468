#pragma once

#include <cstddef>
#include <string_view>

namespace shardmill::base {

/// Bytes of the well-formed UTF-8 sequence `text` starts with; 0 when it starts with none (or is
/// empty). As the Unicode standard has it: shortest form, no surrogates, up to U+10FFFF.
std::size_t utf8_sequence(std::string_view text) noexcept;

/// Whether all of `text` is well-formed.
bool is_utf8(std::string_view text) noexcept;

}  // namespace shardmill::base
