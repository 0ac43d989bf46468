#include "compute/json_tokens.h"

#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace shardmill::compute {

namespace {

/// A bit for each of 64 bytes that, with the bits of `fold` set, is `one` or `other`.
std::uint64_t mask_of(const char* bytes, char one, char other, char fold = 0) noexcept {
    std::uint64_t mask = 0;
#ifdef __SSE2__
    for (unsigned part = 0; part < 64; part += 16) {
        const __m128i folded = _mm_or_si128(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + part)), _mm_set1_epi8(fold));
        const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8(one)),
                                           _mm_cmpeq_epi8(folded, _mm_set1_epi8(other)));
        mask |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(found))} << part;
    }
#else
    for (unsigned at = 0; at < 64; ++at) {
        const char folded = static_cast<char>(bytes[at] | fold);
        mask |= std::uint64_t{folded == one || folded == other} << at;
    }
#endif
    return mask;
}

/// Each bit the exclusive or of all bits up to it: set from an odd one to the next.
std::uint64_t running_xor(std::uint64_t bits) noexcept {
    for (unsigned distance = 1; distance < 64; distance *= 2) bits ^= bits << distance;
    return bits;
}

}  // namespace

/// The bytes that a backslash stands before, unless that is escaped itself.
std::uint64_t JsonTokens::escaped_by(std::uint64_t backslashes) noexcept {
    std::uint64_t escaped = escape_;
    backslashes &= ~escaped;
    escape_ = 0;
    while (backslashes != 0) {
        const std::uint64_t first = backslashes & -backslashes;
        escaped |= first << 1;
        escape_ = first >> 63;
        backslashes &= ~(first | first << 1);
    }
    return escaped;
}

void JsonTokens::mark(const char* bytes) noexcept {
    constexpr char kFold = 0x20;  // {} and [] differ in this bit
    std::uint64_t quotes = mask_of(bytes, '"', '"');
    const std::uint64_t backslashes = mask_of(bytes, '\\', '\\');
    if ((backslashes | escape_) != 0) {
        quotes &= ~escaped_by(backslashes);
        met_escape_ = true;
    }
    if (quotes == 0 && in_string_ != 0) {  // a long string goes on
        opening_ = closing_ = 0;
        return;
    }
    const std::uint64_t inside = running_xor(quotes) ^ in_string_;
    in_string_ = -(inside >> 63);
    opening_ = mask_of(bytes, '{', '{', kFold) & ~inside;
    closing_ = mask_of(bytes, '}', '}', kFold) & ~inside;
    tokens_ = opening_ | closing_ | quotes | (mask_of(bytes, ':', ',') & ~inside);
}

bool JsonTokens::advance() noexcept {
    if (left_ == 0) return false;
    block_ = ahead_;
    if (left_ >= kBlock) {
        mark(block_);
        ahead_ += kBlock;
        left_ -= kBlock;
        return true;
    }
    char last[kBlock];
    std::memset(last, ' ', sizeof last);
    std::memcpy(last, block_, left_);
    mark(last);
    ahead_ += left_;
    left_ = 0;
    return true;
}

bool JsonTokens::leave(std::uint32_t levels) noexcept {
    do {
        for (std::uint64_t brackets = (opening_ | closing_) & tokens_; brackets != 0;
             brackets &= brackets - 1) {
            const std::uint64_t bracket = brackets & -brackets;
            levels += (opening_ & bracket) != 0 ? 1u : ~0u;
            if (levels > 0) continue;
            tokens_ &= ~(bracket | (bracket - 1));
            return true;
        }
        tokens_ = 0;
    } while (advance());
    return false;
}

}  // namespace shardmill::compute
