#include "kernel/isolated.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <system_error>

/// Of a leak sanitizer, where one is loaded: the children end without its own look at the end.
extern "C" __attribute__((weak)) int __lsan_do_recoverable_leak_check();

namespace shardmill::kernel_check {

namespace {

constexpr int kFinished = 0;
constexpr int kLeaked = 3;

std::string result_of(const std::function<std::string()>& work) {
    try {
        return work();
    } catch (const std::exception& thrown) {
        return thrown.what();
    } catch (...) {
        return "an exception of unknown type";
    }
}

[[noreturn]] void be_child(const std::function<std::string()>& work, unsigned seconds, int pipe) {
    ::alarm(seconds);
    const std::string result = result_of(work);
    std::fflush(nullptr);
    const bool told =
        ::write(pipe, result.data(), result.size()) == static_cast<ssize_t>(result.size());
    const bool leaked =
        __lsan_do_recoverable_leak_check != nullptr && __lsan_do_recoverable_leak_check() != 0;
    ::_exit(!told || leaked ? kLeaked : kFinished);
}

std::string ending_of(int status, unsigned seconds) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return fmt::format("has not ended after {} s", seconds);
    if (WIFSIGNALED(status)) return fmt::format("crashed: {}", ::strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == kLeaked) return "memory is never freed (see above)";
    if (WEXITSTATUS(status) != kFinished)
        return fmt::format("ended the process with code {}", WEXITSTATUS(status));
    return {};
}

}  // namespace

std::string run_isolated(const std::function<std::string()>& work, unsigned seconds) {
    int pipe[2];
    if (::pipe(pipe) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child == 0) {
        ::close(pipe[0]);
        be_child(work, seconds, pipe[1]);
    }
    ::close(pipe[1]);
    std::string result;
    char buffer[4096];
    for (ssize_t count; (count = ::read(pipe[0], buffer, sizeof buffer)) > 0;)
        result.append(buffer, static_cast<std::size_t>(count));
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    const std::string ending = ending_of(status, seconds);
    return ending.empty() ? result : ending;
}

}  // namespace shardmill::kernel_check
