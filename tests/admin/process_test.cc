#include "admin/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace shardmill::admin {
namespace {

using ::testing::HasSubstr;

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ProcessTest, RootNeedsAUser) {
    const auto account = find_account({}, 0);
    ASSERT_FALSE(account);
    EXPECT_EQ(account.error().code, 64);
    EXPECT_THAT(account.error().text, HasSubstr("can't run as root without the -u switch"));
}

TEST(ProcessTest, AnUnknownUserIsRefused) {
    config::Config config;
    config.user = "no-such-user-here";
    const auto account = find_account(config, 0);
    ASSERT_FALSE(account);
    EXPECT_EQ(account.error().code, 67);
    EXPECT_THAT(account.error().text, HasSubstr("'no-such-user-here'"));
}

TEST(ProcessTest, AKnownUserIsFoundByRoot) {
    config::Config config;
    config.user = "root";
    const auto account = find_account(config, 0);
    ASSERT_TRUE(account);
    EXPECT_TRUE(account->change);
    EXPECT_EQ(account->uid, 0u);
}

TEST(ProcessTest, OthersStayWhoTheyAre) {
    config::Config config;
    config.user = "no-such-user-here";
    const auto account = find_account(config, 1000);
    ASSERT_TRUE(account);
    EXPECT_FALSE(account->change);
    EXPECT_TRUE(become(*account));
}

TEST(ProcessTest, ThePidFileIsThereAsLongAsItsObject) {
    const std::string path =
        ::testing::TempDir() + "/shardmill-test-" + std::to_string(::getpid()) + ".pid";
    {
        auto file = PidFile::write(path);
        ASSERT_TRUE(file);
        EXPECT_EQ(content_of(path), std::to_string(::getpid()) + "\n");
        EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
        const PidFile moved = std::move(*file);
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ProcessTest, APidFileThatCannotBeWrittenSaysWhy) {
    const auto file = PidFile::write("/no/such/directory/x.pid");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, 1);
    EXPECT_THAT(file.error().text, HasSubstr("/no/such/directory/x.pid"));
    EXPECT_THAT(file.error().text, HasSubstr("No such file"));
}

TEST(ProcessTest, ADaemonLeavesItsTerminalAndDirectory) {
    int report[2];
    ASSERT_EQ(::pipe2(report, O_CLOEXEC), 0);
    const pid_t starter = ::fork();
    ASSERT_GE(starter, 0);
    if (starter == 0) {
        const bool detached = daemonize().has_value();
        char directory[64] = "";
        const bool moved =
            ::getcwd(directory, sizeof directory) != nullptr && std::string(directory) == "/";
        const bool leads = ::getsid(0) == ::getpid();
        const char result = detached && moved && leads && ::isatty(1) == 0 ? 'y' : 'n';
        const bool written = ::write(report[1], &result, 1) == 1;
        ::_exit(written ? 0 : 1);
    }
    ::close(report[1]);
    int status = 0;
    ASSERT_EQ(::waitpid(starter, &status, 0), starter);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char result = '-';
    EXPECT_EQ(::read(report[0], &result, 1), 1);
    EXPECT_EQ(result, 'y');
    ::close(report[0]);
}

}  // namespace
}  // namespace shardmill::admin
