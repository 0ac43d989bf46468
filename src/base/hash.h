#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardmill::base {

/// XXH3, 64 bits, unseeded: the one hash of a key. Shard, index page, bucket and tag all come from
/// its bits.
inline std::uint64_t hash_key(std::string_view key) noexcept {
    return XXH3_64bits(key.data(), key.size());
}

/// Checksum of stored blocks (XXH3, 64 bits, seeded with the block's kind).
inline std::uint64_t checksum(const void* data, std::size_t bytes,
                              std::uint64_t seed = 0) noexcept {
    return XXH3_64bits_withSeed(data, bytes, seed);
}

}  // namespace shardmill::base
