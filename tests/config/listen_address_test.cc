#include "config/listen_address.h"

#include <gtest/gtest.h>

namespace shardmill::config {
namespace {

TEST(ListenAddressTest, ReadsHostsAndPorts) {
    const struct {
        const char* text;
        ListenAddress expected;
    } cases[] = {
        {"127.0.0.1", {"127.0.0.1", 7}},
        {"127.0.0.1:99", {"127.0.0.1", 99}},
        {"127.0.0.1:0", {"127.0.0.1", -1}},
        {"127.0.0.1:-1", {"127.0.0.1", -1}},
        {"*", {"", 7}},
        {"*:99", {"", 99}},
        {"::1", {"::1", 7}},
        {"[::1]", {"::1", 7}},
        {"[::1]:99", {"::1", 99}},
        {"localhost:99", {"localhost", 99}},
        // Only names that begin like prefixes.
        {"protohost", {"protohost", 7}},
        {"tagserver:99", {"tagserver", 99}},
        {"notls.example", {"notls.example", 7}},
    };
    for (const auto& test : cases) {
        const auto address = parse_listen_address(test.text, {.port = 7});
        ASSERT_TRUE(address) << test.text << ": " << address.error();
        EXPECT_EQ(*address, test.expected) << test.text;
    }
}

TEST(ListenAddressTest, ReadsPrefixes) {
    using enum ListenSecurity;
    using enum WireProtocol;
    const struct {
        const char* text;
        ListenAddress expected;
    } cases[] = {
        {"notls:h", {"h", 7, None, Binary, ""}},
        {"btls:h:9", {"h", 9, ListenSecurity::Tls, Binary, ""}},
        {"mtls:[::1]:9", {"::1", 9, Mutual, Binary, ""}},
        {"proto[ascii]:h", {"h", 7, Default, Text, ""}},
        {"proto[a]:h", {"h", 7, Default, Text, ""}},
        {"proto[binary]:*:9", {"", 9, Default, Binary, ""}},
        {"proto[negotiating]:h", {"h", 7, Default, Auto, ""}},
        {"tag[tools]:h", {"h", 7, Default, Binary, "tools"}},
        {"tag_tools_:h:9", {"h", 9, Default, Binary, "tools"}},
        {"tag_tools_:[::1]:9", {"::1", 9, Default, Binary, "tools"}},
        {"mtls:proto[ascii]:tag[12345678]:127.0.0.1:9", {"127.0.0.1", 9, Mutual, Text, "12345678"}},
    };
    for (const auto& test : cases) {
        const auto address = parse_listen_address(test.text, {.port = 7, .protocol = Binary});
        ASSERT_TRUE(address) << test.text << ": " << address.error();
        EXPECT_EQ(*address, test.expected) << test.text;
    }
}

TEST(ListenAddressTest, RefusesWhatIsNoAddress) {
    for (const char* text :
         {"[::1", "[::1]x", "[::1]x:9", "host:", "host:-2", "host:65536", "host:a", "proto[ascii:h",
          "proto[]:h", "proto[text]:h", "proto[proxy]:h", "tag[]:h", "tag[123456789]:h", "tag[a:h",
          "tag_a:h"}) {
        EXPECT_FALSE(parse_listen_address(text, {.port = 7})) << text;
    }
}

}  // namespace
}  // namespace shardmill::config
