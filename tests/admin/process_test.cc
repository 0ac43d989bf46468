#include "admin/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "admin/port_file.h"

namespace shardmill::admin {
namespace {

using ::testing::HasSubstr;

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool points_to_null(int descriptor) {
    std::error_code error;
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    return std::filesystem::read_symlink(link, error) == "/dev/null";
}

/// What the kernel says of this process.
long locked_kilobytes() {
    const std::string status = content_of("/proc/self/status");
    const auto line = status.find("VmLck:");
    return line == std::string::npos ? -1 : std::atol(status.c_str() + line + 6);
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

/// A name that nobody else uses.
std::string test_path(const char* suffix) {
    return ::testing::TempDir() + "/shardmill-test-" + std::to_string(::getpid()) + suffix;
}

TEST(ProcessTest, ADaemonsPidFileIsThereAsLongAsItsObject) {
    const std::string path = test_path(".pid");
    {
        auto file = PidFile::write(path, true);
        ASSERT_TRUE(file);
        EXPECT_EQ(content_of(path), std::to_string(::getpid()) + "\n");
        EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
        const PidFile moved = std::move(*file);
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ProcessTest, APidFileThatIsToStayStays) {
    const std::string path = test_path(".pid");
    EXPECT_TRUE(PidFile::write(path, false));
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove(path);
}

TEST(ProcessTest, APidFileOfALivingProcessIsReplacedAloud) {
    const std::string path = test_path(".pid");
    std::ofstream(path) << ::getppid() << "\n";
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(PidFile::write(path, true));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(std::to_string(::getppid())));
    std::ofstream(path) << "not a number\n";
    ::testing::internal::CaptureStderr();
    EXPECT_TRUE(PidFile::write(path, true));
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(ProcessTest, APidFileThatCannotBeWrittenSaysWhy) {
    const auto file = PidFile::write("/no/such/directory/x.pid", true);
    ASSERT_FALSE(file);
    EXPECT_THAT(file.error(), HasSubstr("/no/such/directory/x.pid"));
    EXPECT_THAT(file.error(), HasSubstr("No such file"));
}

TEST(ProcessTest, ThePortFileHasALineForEachPort) {
    const std::string path = test_path(".port");
    const BoundPort ports[] = {{"TCP INET", 11211}, {"TCP INET6", 11211}, {"UDP INET", 5}};
    ASSERT_TRUE(write_port_file(path, ports));
    EXPECT_EQ(content_of(path), "TCP INET: 11211\nTCP INET6: 11211\nUDP INET: 5\n");
    EXPECT_FALSE(std::filesystem::exists(path + ".lck"));
    std::filesystem::remove(path);
    const auto refused = write_port_file("/no/such/directory/x", ports);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error(), HasSubstr("/no/such/directory/x"));
}

/// What a child process reports of itself.
char reported_by(const std::function<bool()>& child_does) {
    int report[2];
    EXPECT_EQ(::pipe2(report, O_CLOEXEC), 0);
    const pid_t starter = ::fork();
    EXPECT_GE(starter, 0);
    if (starter == 0) {
        const char result = child_does() ? 'y' : 'n';
        const bool written = ::write(report[1], &result, 1) == 1;
        ::_exit(written ? 0 : 1);
    }
    ::close(report[1]);
    int status = 0;
    EXPECT_EQ(::waitpid(starter, &status, 0), starter);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char result = '-';
    EXPECT_EQ(::read(report[0], &result, 1), 1);
    ::close(report[0]);
    return result;
}

TEST(ProcessTest, ClosedStandardFilesAreOpenedAndOpenOnesKept) {
    EXPECT_EQ(reported_by([] {
                  const bool silent_before = points_to_null(1);
                  ::close(0);
                  ::close(2);
                  open_standard_files();
                  return points_to_null(0) && points_to_null(1) == silent_before &&
                         points_to_null(2);
              }),
              'y');
}

TEST(ProcessTest, ADaemonLeavesItsTerminalAndDirectory) {
    EXPECT_EQ(reported_by([] {
                  return daemonize({}).has_value() && std::filesystem::current_path() == "/" &&
                         ::getsid(0) == ::getpid() && points_to_null(1) && points_to_null(2);
              }),
              'y');
}

TEST(ProcessTest, ADaemonKeepsWhatItWasToldToKeep) {
    const auto directory = std::filesystem::current_path();
    ASSERT_NE(directory, "/");
    EXPECT_EQ(reported_by([&] {
                  const bool silent_before = points_to_null(2);
                  return daemonize({.keep_directory = true, .keep_output = true}).has_value() &&
                         std::filesystem::current_path() == directory &&
                         ::getsid(0) == ::getpid() && points_to_null(2) == silent_before;
              }),
              'y');
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLocksNothing = true;  // a sanitizer's runtime takes the call
#else
constexpr bool kLocksNothing = false;
#endif

TEST(ProcessTest, MemoryIsLockedOrTheReasonIsSaid) {
    EXPECT_EQ(reported_by([] {
                  allow_locked_memory();
                  const auto locked = lock_memory();
                  if (!locked) return locked.error().contains("ulimit -l");
                  return kLocksNothing || locked_kilobytes() > 0;
              }),
              'y');
}

}  // namespace
}  // namespace shardmill::admin
