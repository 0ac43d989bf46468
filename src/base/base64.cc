#include "base/base64.h"

#include <array>
#include <cstdint>

namespace shardmill::base {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8 | (j < have ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text += j <= have ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
        }
    }
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::size_t padding = 0;
        if (i + 4 == text.size()) {
            if (text[i + 3] == '=') padding = text[i + 2] == '=' ? 2 : 1;
        }
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const std::uint8_t sextet =
                j >= 4 - padding ? std::uint8_t{0} : kReverse[static_cast<std::uint8_t>(text[i + j])];
            if (sextet == kInvalid) return std::nullopt;
            group = group << 6 | sextet;
        }
        for (std::size_t j = 0; j < 3 - padding; ++j) {
            bytes += static_cast<char>(group >> (16 - 8 * j) & 0xff);
        }
    }
    return bytes;
}

}  // namespace shardmill::base
