#include "compute/json_scalar.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/utf8.h"

namespace shardmill::compute {

namespace {

constexpr std::uint64_t kEach = 0x0101010101010101u;
constexpr std::uint64_t kUpperBits = 0x80 * kEach;

/// The upper bit of each byte that is below 0x20, a backslash or not ASCII; and of some behind one.
std::uint64_t special_bytes(std::uint64_t word) noexcept {
    const std::uint64_t backslash = word ^ '\\' * kEach;
    return (word | (word - 0x20 * kEach) | (backslash - kEach)) & kUpperBits;
}

/// Whether it means itself: ASCII without control characters and backslashes.
bool is_plain(std::string_view raw) noexcept {
    const char* at = raw.data();
    std::size_t left = raw.size();
    std::uint64_t special = 0;
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        special |= special_bytes(word);
    }
    for (; left > 0; ++at, --left)
        special |= special_bytes(kEach * static_cast<unsigned char>(*at));
    return special == 0;
}

bool has_control(std::string_view raw) noexcept {
    for (const char byte : raw) {
        if (static_cast<unsigned char>(byte) < 0x20) return true;
    }
    return false;
}

/// Four hexadecimal digits at the start of `text`, taken from it; nullopt: there are none.
std::optional<std::uint32_t> take_hex(std::string_view& text) noexcept {
    std::uint32_t number = 0;
    if (text.size() < 4 || text[0] == '-') return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 4, number, 16);
    if (error != std::errc{} || end != text.data() + 4) return std::nullopt;
    text.remove_prefix(4);
    return number;
}

/// The code point of an escape whose "\u" is taken already: of both, where it is a surrogate pair.
std::optional<std::uint32_t> take_code_point(std::string_view& text) noexcept {
    const auto first = take_hex(text);
    if (!first || *first < 0xd800 || *first > 0xdfff) return first;
    if (*first > 0xdbff || !text.starts_with("\\u")) return std::nullopt;
    text.remove_prefix(2);
    const auto second = take_hex(text);
    if (!second || *second < 0xdc00 || *second > 0xdfff) return std::nullopt;
    return 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00);
}

char* write_utf8(char* out, std::uint32_t point) noexcept {
    const auto put = [&out](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
    if (point < 0x80) {
        put(point);
        return out;
    }
    if (point < 0x800) {
        put(0xc0 | point >> 6);
    } else {
        if (point < 0x10000) {
            put(0xe0 | point >> 12);
        } else {
            put(0xf0 | point >> 18);
            put(0x80 | (point >> 12 & 0x3f));
        }
        put(0x80 | (point >> 6 & 0x3f));
    }
    put(0x80 | (point & 0x3f));
    return out;
}

/// What the byte behind a backslash stands for; 0: nothing by itself.
char meaning_of(char escape) noexcept {
    switch (escape) {
        case '"':
        case '\\':
        case '/':
            return escape;
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        default:
            return 0;
    }
}

/// Writes what `raw` means, which is never longer; returns the end of it, nullptr if it is no JSON.
char* unescape(std::string_view raw, char* out) noexcept {
    while (true) {
        const std::size_t plain = std::min(raw.find('\\'), raw.size());
        std::memcpy(out, raw.data(), plain);
        out += plain;
        raw.remove_prefix(plain);
        if (raw.empty()) return out;
        if (raw.size() < 2) return nullptr;
        const char escape = raw[1];
        raw.remove_prefix(2);
        if (escape == 'u') {
            const auto point = take_code_point(raw);
            if (!point) return nullptr;
            out = write_utf8(out, *point);
        } else {
            *out = meaning_of(escape);
            if (*out++ == 0) return nullptr;
        }
    }
}

}  // namespace

std::optional<Value> read_json_string(std::string_view raw, Scratch& scratch) noexcept {
    if (is_plain(raw)) return kernel::string_value(raw);
    if (has_control(raw) || !base::is_utf8(raw)) return std::nullopt;
    if (raw.find('\\') == std::string_view::npos) return kernel::string_value(raw);
    char* const room = scratch.take(raw.size());
    if (room == nullptr) return kernel::null_value();
    const char* const end = unescape(raw, room);
    if (end == nullptr) return std::nullopt;
    return kernel::string_value({room, static_cast<std::size_t>(end - room)});
}

std::optional<Value> read_json_scalar(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    if (text[0] == 'n' && text == "null") return kernel::null_value();
    if (text[0] == 't' && text == "true") return kernel::bool_value(true);
    if (text[0] == 'f' && text == "false") return kernel::bool_value(false);
    const std::string_view digits = text.substr(text[0] == '-' ? 1 : 0);
    // What parse_number_text does not mind.
    if (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
        return std::nullopt;
    const Value number = parse_number_text(text);
    if (kernel::is_null(number)) return std::nullopt;
    return number;
}

}  // namespace shardmill::compute
