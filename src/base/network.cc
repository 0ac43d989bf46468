#include "base/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace shardmill::base {
namespace {

constexpr std::size_t kIpv4Bytes = 4;
constexpr std::size_t kIpv6Bytes = 16;
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::span<const std::uint8_t> unmapped(std::span<const std::uint8_t> address) noexcept {
    if (address.size() != kIpv6Bytes) return address;
    if (!std::ranges::equal(address.first(kMapped.size()), kMapped)) return address;
    return address.subspan(kMapped.size());
}

/// -1: no number up to `max`.
int parse_prefix(std::string_view text, int max) noexcept {
    int prefix = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && prefix <= max ? prefix : -1;
}

}  // namespace

std::expected<Network, std::string> Network::parse(std::string_view text) {
    const auto slash = std::min(text.find('/'), text.size());
    const std::string address(text.substr(0, slash));
    Network network;
    if (::inet_pton(AF_INET, address.c_str(), network.bytes_.data()) == 1) {
        network.size_ = kIpv4Bytes;
    } else if (::inet_pton(AF_INET6, address.c_str(), network.bytes_.data()) == 1) {
        network.size_ = kIpv6Bytes;
    } else {
        return std::unexpected(fmt::format(
            "'{}' is no network: write an IPv4 or IPv6 address, or address/bits", text));
    }
    const int bits = network.size_ * 8;
    const int prefix = slash == text.size() ? bits : parse_prefix(text.substr(slash + 1), bits);
    if (prefix < 0) {
        return std::unexpected(
            fmt::format("'{}' is no network: the bits after / go from 0 to {}", text, bits));
    }
    network.prefix_ = static_cast<std::uint8_t>(prefix);
    return network;
}

bool Network::contains(std::span<const std::uint8_t> address) const noexcept {
    address = unmapped(address);
    if (address.size() != size_) return false;
    const std::size_t whole = prefix_ / 8u;
    if (!std::equal(bytes_.begin(), bytes_.begin() + whole, address.begin())) return false;
    const unsigned rest = prefix_ % 8u;
    if (rest == 0) return true;
    const unsigned differs = static_cast<unsigned>(bytes_[whole] ^ address[whole]);
    return differs >> (8 - rest) == 0;
}

std::vector<Network> loopback_networks() {
    return {*Network::parse("127.0.0.0/8"), *Network::parse("::1")};
}

}  // namespace shardmill::base
