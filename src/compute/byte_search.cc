#include "compute/byte_search.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "compute/byte_blocks.h"

namespace shardmill::compute {

ByteSearch::ByteSearch(std::string needle, Case letters)
    : needle_(std::move(needle)), folds_(needle_.size(), '\0'), exact_(letters == Case::Exact) {
    if (exact_) return;
    std::transform(needle_.begin(), needle_.end(), folds_.begin(),
                   [](char byte) { return byte >= 'a' && byte <= 'z' ? '\x20' : '\0'; });
}

bool ByteSearch::matches_at(const char* text) const noexcept {
    if (exact_) return std::memcmp(text, needle_.data(), needle_.size()) == 0;
    for (std::size_t index = 0; index < needle_.size(); ++index) {
        if ((text[index] | folds_[index]) != needle_[index]) return false;
    }
    return true;
}

std::size_t ByteSearch::find(std::string_view text, std::size_t from) const noexcept {
    const std::size_t size = needle_.size();
    if (text.size() < size || from > text.size() - size) return std::string_view::npos;
    const char* const start = text.data();
    const char* at = start + from;
    const char* const last = start + (text.size() - size);  // the last place it could begin at
#ifdef __SSE2__
    const auto all = [](char byte) noexcept { return _mm_set1_epi8(byte); };
    const __m128i first_byte = all(needle_.front());
    const __m128i first_fold = all(folds_.front());
    const __m128i last_byte = all(needle_.back());
    const __m128i last_fold = all(folds_.back());
    const auto candidates = [&](const char* place) noexcept {
        const auto load = [](const char* from_bytes) noexcept {
            return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from_bytes));
        };
        const __m128i first = _mm_cmpeq_epi8(_mm_or_si128(load(place), first_fold), first_byte);
        const __m128i end =
            _mm_cmpeq_epi8(_mm_or_si128(load(place + size - 1), last_fold), last_byte);
        return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_and_si128(first, end)));
    };
    for (; last - at >= 32; at += 32) {
        for (std::uint32_t mask = candidates(at) | candidates(at + 16) << 16; mask != 0;
             mask &= mask - 1) {
            const char* const place = at + std::countr_zero(mask);
            if (matches_at(place)) return static_cast<std::size_t>(place - start);
        }
    }
#endif
    for (; at <= last; ++at) {
        if ((*at | folds_.front()) == needle_.front() && matches_at(at))
            return static_cast<std::size_t>(at - start);
    }
    return std::string_view::npos;
}

std::size_t find_nth(std::string_view text, char byte, std::uint32_t n) noexcept {
    char last[kByteBlock];
    for (std::size_t base = 0; base < text.size(); base += kByteBlock) {
        const char* const block =
            block_at(text.data() + base, text.size() - base, last, static_cast<char>(~byte));
        for (std::uint64_t mask = bytes_equal(block, byte, byte); mask != 0; mask &= mask - 1) {
            if (--n == 0) return base + static_cast<std::size_t>(std::countr_zero(mask));
        }
    }
    return std::string_view::npos;
}

}  // namespace shardmill::compute
