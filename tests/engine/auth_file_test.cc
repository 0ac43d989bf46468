#include "engine/auth_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "temporary_directory.h"

namespace shardmill::engine {
namespace {

class AuthFileTest : public ::testing::Test {
 protected:
    std::string write(const std::string& text) {
        const std::string path = directory_.path() + "/users";
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
    std::string error_of(const std::string& text) {
        AuthFile file(write(text));
        const auto loaded = file.load();
        return loaded ? "" : loaded.error();
    }
    TemporaryDirectory directory_;
};

TEST_F(AuthFileTest, AcceptsItsUsersAndNobodyElse) {
    AuthFile file(write("anna:secret\nbert:pass word:x\r\n:\nempty:\n"));
    ASSERT_TRUE(file.load());
    EXPECT_TRUE(file.accepts("anna", "secret"));
    EXPECT_TRUE(file.accepts("bert", "pass word:x"));
    EXPECT_TRUE(file.accepts("", ""));
    EXPECT_TRUE(file.accepts("empty", ""));
    for (const auto& [user, password] : std::initializer_list<std::pair<std::string, std::string>>{
             {"anna", "secre"},
             {"anna", "secrets"},
             {"anna", "Secret"},
             {"anna", ""},
             {"ann", "secret"},
             {"bert", "secret"},
             {"anna", std::string("secret\0", 7)},
             {"anna", "secret" + std::string(250, '\0')},
             {"anna", "secret" + std::string(250, '\0') + "secret"},
             {"empty", std::string(16384, '\0')}}) {
        EXPECT_FALSE(file.accepts(user, password)) << user << " " << password;
    }
}

TEST_F(AuthFileTest, NobodyIsAcceptedBeforeTheFileIsRead) {
    EXPECT_FALSE(AuthFile("nowhere").accepts("", ""));
}

TEST_F(AuthFileTest, TheLastLineNeedsNoNewline) {
    AuthFile file(write("a:b\nanna:secret"));
    ASSERT_TRUE(file.load());
    EXPECT_TRUE(file.accepts("anna", "secret"));
}

TEST_F(AuthFileTest, OnlyTheFirstEightLinesCount) {
    std::string text;
    for (int i = 1; i <= 9; ++i) text += "user" + std::to_string(i) + ":x\n";
    AuthFile file(write(text + "no user in this one\n"));
    ASSERT_TRUE(file.load());
    EXPECT_TRUE(file.accepts("user8", "x"));
    EXPECT_FALSE(file.accepts("user9", "x"));
}

TEST_F(AuthFileTest, LinesHaveUpTo255BytesWithTheirNewline) {
    const std::string longest = "u:" + std::string(252, 'p');
    AuthFile file(write(longest + "\nlast:" + std::string(250, 'p')));
    ASSERT_TRUE(file.load());
    EXPECT_TRUE(file.accepts("u", std::string(252, 'p')));
    EXPECT_TRUE(file.accepts("last", std::string(250, 'p')));
    EXPECT_NE(error_of(longest + "p\n").find("line 1"), std::string::npos);
}

TEST_F(AuthFileTest, NamesTheLineThatIsWrong) {
    EXPECT_NE(error_of("a:b\nnobody\n").find("line 2"), std::string::npos);
    EXPECT_NE(error_of("a:b\n\n").find("line 2"), std::string::npos);
    EXPECT_NE(error_of("\r\n").find("line 1"), std::string::npos);
}

TEST_F(AuthFileTest, AnEmptyFileLetsNobodyIn) {
    AuthFile file(write(""));
    EXPECT_TRUE(file.load());
    EXPECT_FALSE(file.accepts("", ""));
}

TEST_F(AuthFileTest, WhatCannotBeReadIsNamed) {
    const std::string missing = directory_.path() + "/missing";
    const auto loaded = AuthFile(missing).load();
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().find(missing), std::string::npos);
    EXPECT_FALSE(AuthFile(directory_.path()).load());
}

TEST_F(AuthFileTest, ReadingAgainReplacesTheUsersUnlessTheFileIsBad) {
    const std::string path = write("anna:old\n");
    AuthFile file(path);
    ASSERT_TRUE(file.load());
    write("anna:new\n");
    ASSERT_TRUE(file.load());
    EXPECT_FALSE(file.accepts("anna", "old"));
    EXPECT_TRUE(file.accepts("anna", "new"));
    write("anna:newer\nbroken\n");
    EXPECT_FALSE(file.load());
    EXPECT_TRUE(file.accepts("anna", "new"));
    EXPECT_FALSE(file.accepts("anna", "newer"));
    std::filesystem::remove(path);
    EXPECT_FALSE(file.load());
    EXPECT_TRUE(file.accepts("anna", "new"));
}

}  // namespace
}  // namespace shardmill::engine
