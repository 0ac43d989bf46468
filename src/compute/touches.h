#pragma once

#include <cstdint>

namespace shardmill::compute {

/// What of an item has to be looked at: a set, whose members have cheaper ones before them.
enum class Touches : std::uint8_t {
    Header = 0,  // sizes, flags, deadline, CAS: always at hand
    Key = 1,
    Access = 2,  // when it was last read: a line of the index
    Bytes = 4,   // the value
    Fields = 8,  // the value as JSON; comes with Bytes
};

constexpr Touches operator|(Touches left, Touches right) noexcept {
    return static_cast<Touches>(static_cast<std::uint8_t>(left) | static_cast<std::uint8_t>(right));
}
constexpr bool has(Touches set, Touches part) noexcept {
    return (static_cast<std::uint8_t>(set) & static_cast<std::uint8_t>(part)) != 0;
}

}  // namespace shardmill::compute
