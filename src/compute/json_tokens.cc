#include "compute/json_tokens.h"

#include <algorithm>

#include "compute/byte_blocks.h"

namespace shardmill::compute {

namespace {

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
    std::uint64_t quotes = bytes_equal(bytes, '"', '"');
    const std::uint64_t backslashes = bytes_equal(bytes, '\\', '\\');
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
    opening_ = bytes_equal(bytes, '{', '{', kFold) & ~inside;
    closing_ = bytes_equal(bytes, '}', '}', kFold) & ~inside;
    tokens_ = opening_ | closing_ | quotes | (bytes_equal(bytes, ':', ',') & ~inside);
}

bool JsonTokens::advance() noexcept {
    if (left_ == 0) return false;
    char last[kByteBlock];
    block_ = ahead_;
    mark(block_at(block_, left_, last, ' '));
    const std::size_t taken = std::min(left_, kByteBlock);
    ahead_ += taken;
    left_ -= taken;
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
