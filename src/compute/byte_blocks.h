#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace shardmill::compute {

/// Texts are searched so many bytes at a time, which become the bits of one word.
inline constexpr std::size_t kByteBlock = 64;

/// A block of the `left` bytes at `at`: where they lie, or, when they are fewer, in `room` and
/// filled up. What follows a text is not ours to read.
inline const char* block_at(const char* at, std::size_t left, char (&room)[kByteBlock],
                            char fill) noexcept {
    if (left >= kByteBlock) return at;
    std::memset(room, fill, kByteBlock);
    std::memcpy(room, at, left);
    return room;
}

/// A bit for each byte of a block that, with the bits of `fold` set, is `one` or `other`.
inline std::uint64_t bytes_equal(const char* block, char one, char other, char fold = 0) noexcept {
    std::uint64_t mask = 0;
#ifdef __SSE2__
    for (unsigned part = 0; part < kByteBlock; part += 16) {
        const __m128i folded = _mm_or_si128(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + part)), _mm_set1_epi8(fold));
        const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8(one)),
                                           _mm_cmpeq_epi8(folded, _mm_set1_epi8(other)));
        mask |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(found))} << part;
    }
#else
    for (unsigned at = 0; at < kByteBlock; ++at) {
        const char folded = static_cast<char>(block[at] | fold);
        mask |= std::uint64_t{folded == one || folded == other} << at;
    }
#endif
    return mask;
}

}  // namespace shardmill::compute
