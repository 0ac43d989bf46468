#include "net/listener.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace shardmill::net {
namespace {

std::vector<HostPort> parsed(const std::vector<std::string>& entries) {
    const auto hosts = parse_listen(entries, 11211);
    EXPECT_TRUE(hosts.has_value()) << (hosts ? "" : hosts.error());
    return hosts.value_or(std::vector<HostPort>{});
}

TEST(ListenerTest, ListensOnAllAddressesWithoutAnyHost) {
    const std::vector<HostPort> all{{"", 11211}};
    EXPECT_EQ(parsed({}), all);
    EXPECT_EQ(parsed({"*"}), all);
    EXPECT_EQ(parsed({""}), all);
}

TEST(ListenerTest, TakesHostsApartAtCommasAndSemicolons) {
    const std::vector<HostPort> expected{
        {"a", 11211}, {"b", 1}, {"::1", 11211}, {"::1", 2}, {"c", 11211}};
    EXPECT_EQ(parsed({"a,b:1;::1,[::1]:2", "c"}), expected);
}

TEST(ListenerTest, SaysWhatIsWrongWithAHost) {
    for (const std::string entry : {"a:", "a:0", "a:65536", "a:1x", "[::1", "[::1]x", "[::1]:"}) {
        const auto hosts = parse_listen({entry}, 11211);
        ASSERT_FALSE(hosts.has_value()) << entry;
        EXPECT_NE(hosts.error().find("-l " + entry), std::string::npos) << hosts.error();
    }
}

TEST(ListenerTest, NeedsSomethingToListenOn) {
    ServerConfig config;
    config.tcp_port = 0;
    EXPECT_FALSE(open_listeners(config).has_value());
    config.tcp_port = 65536;
    EXPECT_FALSE(open_listeners(config).has_value());
}

TEST(ListenerTest, SaysThatAnAddressIsNotThisMachines) {
    ServerConfig config;
    config.tcp_port = -1;
    config.listen = {"192.0.2.1"};
    const auto opened = open_listeners(config);
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().find("no such address; check -l"), std::string::npos);
}

TEST(ListenerTest, RefusesAUnixPathThatIsTooLong) {
    ServerConfig config;
    config.unix_path = "/" + std::string(200, 'x');
    const auto opened = open_listeners(config);
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().find("too long"), std::string::npos);
}

TEST(ListenerTest, LeavesAFileAloneThatIsNoSocket) {
    const std::string path =
        ::testing::TempDir() + "shardmill-listener-" + std::to_string(::getpid());
    FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fclose(file);
    ServerConfig config;
    config.unix_path = path;
    const auto opened = open_listeners(config);
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().find("no socket is in the way"), std::string::npos);
    EXPECT_EQ(::unlink(path.c_str()), 0);
}

}  // namespace
}  // namespace shardmill::net
