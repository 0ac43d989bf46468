#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace shardmill::base {

/// RFC 4648 alphabet with '=' padding, no line breaks.
std::string base64_encode(std::string_view bytes);

/// nullopt on any byte outside the alphabet, wrong length or wrong padding.
std::optional<std::string> base64_decode(std::string_view text);

/// Bytes of text that `bytes` bytes become.
constexpr std::size_t base64_text_bytes(std::size_t bytes) noexcept { return (bytes + 2) / 3 * 4; }

/// The same without allocation. Encoding writes base64_text_bytes(bytes.size()) bytes at `out` and
/// returns the end. Decoding returns the bytes written to `out`; nullopt also when they might not
/// fit, for which a quarter less room than text is enough.
char* base64_encode(std::string_view bytes, char* out) noexcept;
std::optional<std::size_t> base64_decode(std::string_view text, std::span<char> out) noexcept;

}  // namespace shardmill::base
