#include "base/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace shardmill::base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> make_reverse() {
    std::array<std::uint8_t, 256> reverse{};
    reverse.fill(kInvalid);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
        reverse[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return reverse;
}
constexpr auto kReverse = make_reverse();

}  // namespace

char* base64_encode(std::string_view bytes, char* out) noexcept {
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8 | (j < have ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            *out++ = j <= have ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
        }
    }
    return out;
}

std::optional<std::size_t> base64_decode(std::string_view text, std::span<char> out) noexcept {
    if (text.size() % 4 != 0 || text.size() / 4 * 3 > out.size()) return std::nullopt;
    char* to = out.data();
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::size_t padding = 0;
        if (i + 4 == text.size()) {
            if (text[i + 3] == '=') padding = text[i + 2] == '=' ? 2 : 1;
        }
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const std::uint8_t sextet = j >= 4 - padding
                                            ? std::uint8_t{0}
                                            : kReverse[static_cast<std::uint8_t>(text[i + j])];
            if (sextet == kInvalid) return std::nullopt;
            group = group << 6 | sextet;
        }
        for (std::size_t j = 0; j < 3 - padding; ++j) {
            *to++ = static_cast<char>(group >> (16 - 8 * j) & 0xff);
        }
    }
    return static_cast<std::size_t>(to - out.data());
}

std::string base64_encode(std::string_view bytes) {
    std::string text(base64_text_bytes(bytes.size()), '\0');
    base64_encode(bytes, text.data());
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    std::string bytes(text.size() / 4 * 3, '\0');
    const auto length = base64_decode(text, std::span<char>(bytes));
    if (!length) return std::nullopt;
    bytes.resize(*length);
    return bytes;
}

}  // namespace shardmill::base
