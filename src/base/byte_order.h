#pragma once

#include <bit>
#include <concepts>
#include <cstring>

namespace shardmill::base {

/// Numbers as networks write them: most significant byte first, anywhere in memory.
template <std::integral Number>
Number load_big(const char* from) noexcept {
    Number number;
    std::memcpy(&number, from, sizeof(number));
    if constexpr (std::endian::native == std::endian::little) number = std::byteswap(number);
    return number;
}

/// Writes `number` and returns what is behind it.
template <std::integral Number>
char* store_big(char* to, Number number) noexcept {
    if constexpr (std::endian::native == std::endian::little) number = std::byteswap(number);
    std::memcpy(to, &number, sizeof(number));
    return to + sizeof(number);
}

}  // namespace shardmill::base
