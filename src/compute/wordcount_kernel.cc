#include "compute/wordcount_kernel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "compute/byte_blocks.h"
#include "compute/program.h"

namespace shardmill::compute {

namespace {

#ifdef __SSE2__

__m128i load16(const char* bytes) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// Bytes of `bytes` from `first` to `first + count - 1`, as a mask of all or no bits.
__m128i in_range(__m128i bytes, char first, char count) noexcept {
    const __m128i from_first = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8(static_cast<char>(count - 1))),
                          from_first);
}

/// A bit for each byte of a block that belongs to a word.
std::uint64_t word_mask(const char* block) noexcept {
    std::uint64_t mask = 0;
    for (unsigned part = 0; part < kByteBlock; part += 16) {
        const __m128i bytes = load16(block + part);
        const __m128i letter = in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
        // The sign bit of the byte itself is that of bytes from 0x80 up.
        const __m128i in_word = _mm_or_si128(_mm_or_si128(letter, in_range(bytes, '0', 10)), bytes);
        mask |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(in_word))} << part;
    }
    return mask;
}

/// The first `size` of 16 bytes, letters lowered: of what a word can consist of, all below 0x80 but
/// capital letters have that bit already.
ShortWord short_word(const char* bytes, std::size_t size) noexcept {
    static constexpr std::array<char, 2 * ShortWord::kBytesMax> kMask = [] {
        std::array<char, 2 * ShortWord::kBytesMax> mask{};
        std::fill_n(mask.begin(), ShortWord::kBytesMax, static_cast<char>(-1));
        return mask;
    }();
    const __m128i raw = load16(bytes);
    const __m128i bit =
        _mm_andnot_si128(_mm_cmplt_epi8(raw, _mm_setzero_si128()), _mm_set1_epi8(0x20));
    const __m128i kept = load16(kMask.data() + (ShortWord::kBytesMax - size));
    ShortWord word;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&word),
                     _mm_and_si128(_mm_or_si128(raw, bit), kept));
    return word;
}

#else

bool is_word_byte(char byte) noexcept {
    const char letter = static_cast<char>(byte | 0x20);
    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') ||
           (static_cast<unsigned char>(byte) & 0x80) != 0;
}

std::uint64_t word_mask(const char* block) noexcept {
    std::uint64_t mask = 0;
    for (unsigned at = 0; at < kByteBlock; ++at)
        mask |= std::uint64_t{is_word_byte(block[at])} << at;
    return mask;
}

ShortWord short_word(const char* bytes, std::size_t size) noexcept {
    char lowered[ShortWord::kBytesMax] = {};
    for (std::size_t at = 0; at < size; ++at) {
        const bool ascii = (static_cast<unsigned char>(bytes[at]) & 0x80) == 0;
        lowered[at] = static_cast<char>(bytes[at] | (ascii ? 0x20 : 0));
    }
    ShortWord word;
    std::memcpy(&word, lowered, sizeof lowered);
    return word;
}

#endif

/// Calls word(start, end) for every word of the text.
template <typename Word>
void for_each_word(std::string_view text, Word&& word) {
    std::size_t start = 0;
    bool inside = false;
    char last[kByteBlock];
    for (std::size_t base = 0; base < text.size(); base += kByteBlock) {
        const std::uint64_t mask =
            word_mask(block_at(text.data() + base, text.size() - base, last, '\0'));
        std::uint64_t edges = mask ^ (mask << 1 | std::uint64_t{inside});
        for (; edges != 0; edges &= edges - 1) {
            const std::size_t at = base + static_cast<std::size_t>(std::countr_zero(edges));
            if (inside) {
                word(start, at);
            } else {
                start = at;
            }
            inside = !inside;
        }
    }
    if (inside) word(start, text.size());
}

}  // namespace

WordcountKernel::WordcountKernel(std::span<const kernel::Argument> arguments)
    : whole_value_(arguments.empty()) {
    if (arguments.size() > 1) throw kernel::Error("at most one expression", 2);
    if (!arguments.empty() && arguments[0].kind != SHARDMILL_ARGUMENT_EXPRESSION) {
        throw kernel::Error("the text must be an expression", 1);
    }
}

WordcountKernel::Partial::Partial(const WordcountKernel& kernel, kernel::Host host)
    : whole_value_(kernel.whole_value_), table_(host) {}

void WordcountKernel::Partial::map(const kernel::Block& block) {
    if (whole_value_) {
        for (const kernel::Item& item : block.items()) count_words(kernel::value_of(item));
    } else {
        for (const kernel::Value& value : block.column(0)) {
            if (kernel::has_bytes(value)) count_words(kernel::bytes_of(value));
        }
    }
    add_pending();
}

void WordcountKernel::Partial::count_words(std::string_view text) {
    for_each_word(text, [this, text](std::size_t start, std::size_t end) {
        const std::size_t size = end - start;
        if (size > ShortWord::kBytesMax) return count_long(text.substr(start, size));
        Pending& pending = pending_[pending_count_++];
        if (text.size() - start >= ShortWord::kBytesMax) {
            pending.word = short_word(text.data() + start, size);
        } else {
            char last[ShortWord::kBytesMax] = {};
            std::memcpy(last, text.data() + start, size);
            pending.word = short_word(last, size);
        }
        pending.hash = pending.word.hash();
        table_.prefetch(pending.hash);
        if (pending_count_ == pending_.size()) add_pending();
    });
}

void WordcountKernel::Partial::count_long(std::string_view word) {
    if (word.size() > kMaxRowKeyBytes) throw kernel::Error("a word of more than 65535 bytes");
    long_word_ = word;
    for (char& byte : long_word_) {
        if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte | 0x20);
    }
    add(long_word_, 1);
}

void WordcountKernel::Partial::add_pending() {
    for (std::size_t index = 0; index < pending_count_; ++index) {
        if (!table_.add(pending_[index].word, pending_[index].hash))
            throw kernel::Error("a bound of the job is reached");
    }
    pending_count_ = 0;
}

void WordcountKernel::Partial::add(std::string_view word, std::uint64_t count) {
    if (word.size() > kMaxRowKeyBytes) throw kernel::Error("a word of more than 65535 bytes");
    if (!table_.add(word, count)) throw kernel::Error("a bound of the job is reached");
}

void WordcountKernel::Partial::merge(Partial& other) {
    other.table_.for_each([this](std::string_view word, std::uint64_t count) { add(word, count); });
}

void WordcountKernel::Partial::save(kernel::Writer& writer) const {
    table_.for_each([&writer](std::string_view word, std::uint64_t count) {
        writer.string(word);
        writer.number(count);
    });
}

void WordcountKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        const std::string_view word = reader.string();
        add(word, reader.number<std::uint64_t>());
    }
}

void WordcountKernel::Partial::finish(kernel::Emitter& emitter) {
    table_.for_each([&emitter](std::string_view word, std::uint64_t count) {
        const kernel::Value column = kernel::unsigned_value(count);
        emitter.row(word, {&column, 1});
    });
}

}  // namespace shardmill::compute
