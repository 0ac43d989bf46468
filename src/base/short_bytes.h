#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

/// Comparing and copying bytes of keys: a few words at most times, for which a call costs more than
/// the work. Blocks may overlap each other at their ends, so that no byte outside is touched.
namespace shardmill::base {

/// Whether `bytes` bytes at `a` and `b` are the same.
inline bool same_bytes(const char* a, const char* b, std::size_t bytes) noexcept {
    const auto differs = [a, b](std::size_t at) noexcept {
        std::uint64_t one;
        std::uint64_t other;
        std::memcpy(&one, a + at, sizeof(one));
        std::memcpy(&other, b + at, sizeof(other));
        return one ^ other;
    };
    if (bytes - 8 > 24) return std::memcmp(a, b, bytes) == 0;
    if (bytes <= 16) return (differs(0) | differs(bytes - 8)) == 0;
    return (differs(0) | differs(8) | differs(bytes - 16) | differs(bytes - 8)) == 0;
}

/// Copies `bytes` bytes and returns the end of the copy. The two do not overlap.
inline char* copy_bytes(char* to, const char* from, std::size_t bytes) noexcept {
    struct Block {
        char bytes[16];
    };
    if (bytes - sizeof(Block) > sizeof(Block)) {
        std::memcpy(to, from, bytes);
        return to + bytes;
    }
    Block first;
    Block last;
    std::memcpy(&first, from, sizeof(Block));
    std::memcpy(&last, from + bytes - sizeof(Block), sizeof(Block));
    std::memcpy(to, &first, sizeof(Block));
    std::memcpy(to + bytes - sizeof(Block), &last, sizeof(Block));
    return to + bytes;
}

}  // namespace shardmill::base
