#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::base {

/// A range of IP addresses: "192.0.2.0/24", "2001:db8::/32", or a single address.
class Network {
 public:
    /// Unexpected: what is wrong with the text.
    static std::expected<Network, std::string> parse(std::string_view text);

    /// `address`: 4 or 16 bytes in network order. An IPv4 address in IPv6's clothes (::ffff:0:0/96)
    /// counts as the IPv4 address that it is.
    bool contains(std::span<const std::uint8_t> address) const noexcept;

    friend bool operator==(const Network&, const Network&) = default;

 private:
    std::array<std::uint8_t, 16> bytes_{};
    std::uint8_t size_ = 0;    // 4 or 16
    std::uint8_t prefix_ = 0;  // bits
};

/// 127.0.0.0/8 and ::1.
std::vector<Network> loopback_networks();

}  // namespace shardmill::base
