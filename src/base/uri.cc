#include "base/uri.h"

#include <array>

namespace shardmill::base {
namespace {

constexpr std::array<bool, 256> make_unreserved() {
    std::array<bool, 256> unreserved{};
    for (const char byte : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789-._~")) {
        unreserved[static_cast<unsigned char>(byte)] = true;
    }
    return unreserved;
}

constexpr auto kUnreserved = make_unreserved();
constexpr char kDigits[] = "0123456789ABCDEF";

}  // namespace

void append_uri_encoded(std::string& text, std::string_view bytes) {
    for (const char byte : bytes) {
        const auto value = static_cast<unsigned char>(byte);
        if (kUnreserved[value]) {
            text += byte;
        } else {
            const char encoded[] = {'%', kDigits[value >> 4], kDigits[value & 15]};
            text.append(encoded, sizeof(encoded));
        }
    }
}

}  // namespace shardmill::base
