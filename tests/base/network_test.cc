#include "base/network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>

namespace shardmill::base {
namespace {

bool contains(std::string_view network, const char* address) {
    const auto parsed = Network::parse(network);
    EXPECT_TRUE(parsed.has_value()) << network;
    std::array<std::uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET, address, bytes.data()) == 1) {
        return parsed->contains(std::span(bytes).first(4));
    }
    EXPECT_EQ(::inet_pton(AF_INET6, address, bytes.data()), 1) << address;
    return parsed->contains(bytes);
}

TEST(NetworkTest, ContainsWhatSharesItsPrefix) {
    EXPECT_TRUE(contains("127.0.0.0/8", "127.0.0.1"));
    EXPECT_TRUE(contains("127.0.0.0/8", "127.255.255.255"));
    EXPECT_FALSE(contains("127.0.0.0/8", "128.0.0.1"));
    EXPECT_TRUE(contains("10.1.2.64/27", "10.1.2.95"));
    EXPECT_FALSE(contains("10.1.2.64/27", "10.1.2.96"));
    EXPECT_FALSE(contains("10.1.2.64/27", "10.1.2.63"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(NetworkTest, BitsBehindThePrefixDoNotMatter) {
    EXPECT_TRUE(contains("10.1.2.3/8", "10.9.9.9"));
}

TEST(NetworkTest, AnAddressAloneIsANetworkOfOne) {
    EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
    EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
    EXPECT_TRUE(contains("::1", "::1"));
    EXPECT_FALSE(contains("::1", "::2"));
}

TEST(NetworkTest, NoBitsAreEverything) {
    EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
    EXPECT_TRUE(contains("::/0", "2001:db8::1"));
}

TEST(NetworkTest, FamiliesAreApartButForMappedAddresses) {
    EXPECT_FALSE(contains("::/0", "127.0.0.1"));
    EXPECT_TRUE(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
    EXPECT_FALSE(contains("::/0", "::ffff:127.0.0.1"));
}

TEST(NetworkTest, RefusesWhatIsNoNetwork) {
    for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                             "10.0.0/8", "::/129", "localhost", "10.0.0.0/8/8", "fe80::1%lo/10"}) {
        const auto parsed = Network::parse(text);
        ASSERT_FALSE(parsed.has_value()) << text;
        EXPECT_NE(parsed.error().find(text), std::string::npos) << parsed.error();
    }
}

TEST(NetworkTest, LoopbackIsBothFamilies) {
    const auto networks = loopback_networks();
    ASSERT_EQ(networks.size(), 2u);
    EXPECT_EQ(networks[0], *Network::parse("127.0.0.0/8"));
    EXPECT_EQ(networks[1], *Network::parse("::1/128"));
}

}  // namespace
}  // namespace shardmill::base
