#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/text_parser.h"

/// Shared by the parsers of this folder, for nobody else: the line at hand, its tokens, and the few
/// ways in which parsing a command ends.
namespace shardmill::protocol {

/// One complete line and everything received behind it.
struct TextLine {
    std::string_view bytes;  // all that the parser was shown
    std::size_t line_bytes;  // of those, the line with its terminator
    const char* rest;        // behind the command word
    const char* end;         // of the line, terminator excluded

    std::string_view after_line() const noexcept { return bytes.substr(line_bytes); }
};

/// First space in [begin, end), or end. Tokens are short, so a step of eight bytes beats a call of
/// memchr.
inline const char* find_space(const char* begin, const char* end) noexcept {
    static_assert(std::endian::native == std::endian::little);
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kSpaces = kOnes * ' ';
    while (end - begin >= 8) {
        std::uint64_t word;
        std::memcpy(&word, begin, 8);
        const std::uint64_t differs = word ^ kSpaces;
        const std::uint64_t zero_bytes = (differs - kOnes) & ~differs & (kOnes << 7);
        if (zero_bytes != 0) return begin + __builtin_ctzll(zero_bytes) / 8;
        begin += 8;
    }
    while (begin != end && *begin != ' ') ++begin;
    return begin;
}

inline const char* skip_spaces(const char* begin, const char* end) noexcept {
    while (begin != end && *begin == ' ') ++begin;
    return begin;
}

/// The tokens of a line, split at runs of spaces. Like memcached's, the index ends with the 23rd:
/// "the last token" is the last one here, and what follows is not looked at.
class Tokens {
 public:
    static constexpr std::size_t kMax = 23;

    /// Of the whole line: the command word is the first token.
    explicit Tokens(const TextLine& line) noexcept {
        const char* const end = line.end;
        const char* begin = line.bytes.data();
        for (begin = skip_spaces(begin, end); begin != end && count_ != kMax;
             begin = skip_spaces(begin, end)) {
            const char* token_end = find_space(begin, end);
            spans_[count_++] = {begin, token_end};
            begin = token_end;
        }
    }

    std::size_t count() const noexcept { return count_; }
    std::string_view operator[](std::size_t index) const noexcept {
        return {spans_[index].begin,
                static_cast<std::size_t>(spans_[index].end - spans_[index].begin)};
    }
    std::string_view last() const noexcept { return (*this)[count_ - 1]; }
    bool last_is_noreply() const noexcept { return count_ != 0 && last() == "noreply"; }

 private:
    struct Span {
        const char* begin;
        const char* end;
    };
    std::array<Span, kMax> spans_;  // uninitialised beyond count_
    std::size_t count_ = 0;
};

/// The line was a whole command.
inline ParseResult complete(const TextLine& line) noexcept {
    return {ParseStatus::Complete, line.line_bytes, 0, 0};
}

/// The line is answered with `error` (empty: not at all).
inline ParseResult invalid(const TextLine& line, Request& request,
                           std::string_view error) noexcept {
    request.verb = Verb::Invalid;
    request.error = error;
    return complete(line);
}

/// As `invalid`, and the data block of `block_bytes` and CR LF behind the line is thrown away.
inline ParseResult refuse_block(const TextLine& line, Request& request, std::string_view error,
                                std::uint32_t block_bytes) noexcept {
    const std::size_t block = std::size_t{block_bytes} + 2;
    const std::size_t here = std::min(block, line.after_line().size());
    ParseResult result = invalid(line, request, error);
    result.consumed += here;
    result.swallow = block - here;
    return result;
}

/// The command goes on with a data block of `request.value_bytes` and CR LF.
inline ParseResult take_block(const TextLine& line, Request& request) noexcept {
    const std::size_t block = std::size_t{request.value_bytes} + 2;
    const std::string_view after = line.after_line();
    request.value = {};
    request.bad_data_chunk = false;
    if (after.size() < block) return {ParseStatus::NeedValue, line.line_bytes, 0, 0};
    request.value = after.substr(0, request.value_bytes);
    request.bad_data_chunk = after[block - 2] != '\r' || after[block - 1] != '\n';
    return {ParseStatus::Complete, line.line_bytes + block, 0, 0};
}

/// Largest <bytes> of a storage command: with CR LF it still is a positive 32-bit number.
inline constexpr std::int32_t kMaxValueBytes = 0x7fffffff - 2;

}  // namespace shardmill::protocol
