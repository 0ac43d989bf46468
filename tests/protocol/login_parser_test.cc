#include "protocol/login_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace shardmill::protocol {
namespace {

using Status = LoginParse::Status;

std::string login(std::string_view token) {
    return "set k 0 0 " + std::to_string(token.size()) + "\r\n" + std::string(token) + "\r\n";
}

TEST(LoginParserTest, FindsUserAndPassword) {
    const std::string bytes = login("user pass word ") + "get a\r\n";
    const LoginParse parsed = parse_login(bytes);
    EXPECT_EQ(parsed.status, Status::Attempt);
    EXPECT_EQ(parsed.user, "user");
    EXPECT_EQ(parsed.password, "pass word ");
    EXPECT_EQ(bytes.substr(parsed.consumed), "get a\r\n");
}

TEST(LoginParserTest, UserAndPasswordMayBeEmptyOrHoldAnyByte) {
    EXPECT_EQ(parse_login(login(" ")).user, "");
    EXPECT_EQ(parse_login(login(" ")).password, "");
    EXPECT_EQ(parse_login(login("\r\n\x80 \r\n")).user, "\r\n\x80");
    EXPECT_EQ(parse_login(login("\r\n\x80 \r\n")).password, "\r\n");
}

TEST(LoginParserTest, KeyFlagsAndExptimeCanBeAnything) {
    for (const char* line :
         {"set  a  x  -1  3  more\r\n", "set \x01 y z 3\n", "set a b c 3 noreply\r\n"}) {
        const LoginParse parsed = parse_login(std::string(line) + "u p\r\n");
        EXPECT_EQ(parsed.status, Status::Attempt) << line;
    }
}

TEST(LoginParserTest, WantsEveryByteBeforeItDecides) {
    const std::string bytes = login("user pass");
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const LoginParse parsed = parse_login(bytes.substr(0, size));
        EXPECT_EQ(parsed.status, Status::NeedMore) << size;
        EXPECT_EQ(parsed.consumed, 0u);
        EXPECT_TRUE(parsed.needed == 0 || (parsed.needed > size && parsed.needed <= bytes.size()));
    }
}

TEST(LoginParserTest, RefusesEverythingElseLineByLine) {
    struct Case {
        std::string bytes;
        std::size_t consumed;
        std::string_view reply;
    };
    const Case cases[] = {
        {"version\r\nversion\r\n", 9, login_replies::kUnauthenticated},
        {"get foo\r\n", 9, login_replies::kUnauthenticated},
        {"setx k 0 0 3\r\nu p\r\n", 14, login_replies::kUnauthenticated},
        {"set k 0 0\r\n", 11, login_replies::kUnauthenticated},
        {"set k 0 0 x\r\n", 13, login_replies::kUnauthenticated},
        {"set k 0 0 -3\r\n", 14, login_replies::kUnauthenticated},
        {"set k 0 0 4294967296\r\n", 22, login_replies::kUnauthenticated},
        {"set k 0 0 16385\r\n", 17, login_replies::kTooLong},
        {"set k 0 0 3\r\nu pxx", 18, login_replies::kBadTermination},
        {"set k 0 0 3\r\nu p\n\n", 18, login_replies::kBadTermination},
        {"set k 0 0 3\r\nupp\r\n", 18, login_replies::kBadFormat},
        {"set k 0 0 0\r\n\r\n", 15, login_replies::kBadFormat},
        {std::string("\x80\x0a\x00\x00\x00\x00\x00\n", 8), 0, {}},  // a short line
        {std::string("\x80\x0b\x00\x00\x00\x00\x00\x00\n", 9), 9, login_replies::kUnauthenticated},
    };
    for (const Case& wanted : cases) {
        const LoginParse parsed = parse_login(wanted.bytes);
        if (wanted.reply.empty()) {
            EXPECT_EQ(parsed.status, Status::Close) << wanted.bytes;
            continue;
        }
        EXPECT_EQ(parsed.status, Status::Refused) << wanted.bytes;
        EXPECT_EQ(parsed.consumed, wanted.consumed) << wanted.bytes;
        EXPECT_EQ(parsed.reply, wanted.reply) << wanted.bytes;
    }
}

TEST(LoginParserTest, ClosesOnShortLinesAndOnLongOnesWithoutAnEnd) {
    EXPECT_EQ(parse_login("quit\r\n").status, Status::Close);
    EXPECT_EQ(parse_login("mn\r\n").status, Status::Close);
    EXPECT_EQ(parse_login("\r\n\r\n").status, Status::Close);
    EXPECT_EQ(parse_login("12345\n").status, Status::Close);
    EXPECT_EQ(parse_login("123456\n").status, Status::Refused);
    EXPECT_EQ(parse_login(std::string(2048, 'x')).status, Status::NeedMore);
    EXPECT_EQ(parse_login(std::string(2049, 'x')).status, Status::Close);
}

TEST(LoginParserTest, TakesTheLongestToken) {
    const std::string token = "u " + std::string(kMaxLoginBytes - 2, 'p');
    EXPECT_EQ(parse_login(login(token)).status, Status::Attempt);
    EXPECT_EQ(parse_login(login(token + "p")).reply, login_replies::kTooLong);
}

}  // namespace
}  // namespace shardmill::protocol
