#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shardmill::base {

/// RFC 4648 alphabet with '=' padding, no line breaks.
std::string base64_encode(std::string_view bytes);

/// nullopt on any byte outside the alphabet, wrong length or wrong padding.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace shardmill::base
