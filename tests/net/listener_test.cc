#include "net/listener.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace shardmill::net {
namespace {

TEST(ListenerTest, NothingToListenOnIsNoError) {
    const ServerConfig config;
    const auto listeners = open_listeners(config);
    ASSERT_TRUE(listeners);
    EXPECT_TRUE(listeners->empty());
}

TEST(ListenerTest, SaysThatAnAddressIsNotThisMachines) {
    ServerConfig config;
    config.listen = {{.host = "192.0.2.1", .port = -1}};
    const auto opened = open_listeners(config);
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().find("no such address; check -l"), std::string::npos);
}

TEST(ListenerTest, PassesOnWhatAnAddressMakesOfItsConnections) {
    ServerConfig config;
    config.listen = {{.host = "127.0.0.1",
                      .port = -1,
                      .security = Security::TlsMutual,
                      .dialect = protocol::Dialect::Binary,
                      .tag = "inside"},
                     {.host = "127.0.0.1", .port = -1}};
    const auto opened = open_listeners(config);
    ASSERT_TRUE(opened.has_value()) << opened.error();
    ASSERT_EQ(opened->size(), 2u);
    const BoundAddress& first = opened->front().address;
    EXPECT_EQ(first.security, Security::TlsMutual);
    EXPECT_EQ(first.dialect, protocol::Dialect::Binary);
    EXPECT_EQ(first.tag, "inside");
    EXPECT_EQ(first.socket, opened->front().socket.get());
    EXPECT_EQ(opened->back().address.security, Security::None);
    EXPECT_NE(opened->back().address.port, first.port);
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
