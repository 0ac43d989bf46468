#include "admin/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/whole_file.h"
#include "base/log.h"

namespace shardmill::admin {
namespace {

using config::EarlyExit;

std::unexpected<EarlyExit> fail(int code, std::string text) {
    return std::unexpected(EarlyExit{code, "shardmill: " + std::move(text) + "\n"});
}

std::string reason(int error) { return std::strerror(error); }

/// The process that a pid file names, if there is one; else 0.
pid_t living_process_of(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return 0;
    long pid = 0;
    const bool read = std::fscanf(file, "%ld", &pid) == 1;
    std::fclose(file);
    const bool lives =
        read && pid > 0 && pid != ::getpid() && ::kill(static_cast<pid_t>(pid), 0) == 0;
    return lives ? static_cast<pid_t>(pid) : 0;
}

}  // namespace

void open_standard_files() noexcept {
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        // What is opened gets the lowest number that is free.
        if (::fcntl(standard, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
    }
}

std::expected<Account, config::EarlyExit> find_account(const config::Config& config, uid_t euid) {
    if (euid != 0) return Account{};  // -u is for root; without it memcached ignores the option too
    if (config.user.empty()) {
        return fail(
            config::kExitUsage,
            "can't run as root without the -u switch: give -u <user>, or '-u root' to start as "
            "root");
    }
    std::vector<char> buffer(16 << 10);
    passwd entry{};
    passwd* found = nullptr;
    ::getpwnam_r(config.user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(
            config::kExitNoUser,
            fmt::format("-u, --user: can't find the user '{}' to switch to; give one that exists",
                        config.user));
    }
    return Account{.change = true, .name = config.user, .uid = entry.pw_uid, .gid = entry.pw_gid};
}

ProcessResult become(const Account& account) {
    if (!account.change || account.uid == 0) return {};
    if (::initgroups(account.name.c_str(), account.gid) != 0 || ::setgid(account.gid) != 0 ||
        ::setuid(account.uid) != 0) {
        return fail(config::kExitOs, fmt::format("cannot assume the identity of user '{}': {}",
                                                 account.name, reason(errno)));
    }
    return {};
}

ProcessResult allow_core_dumps() {
    rlimit limit{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (::setrlimit(RLIMIT_CORE, &limit) == 0) return {};
    if (::getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur != 0) return {};
    }
    return fail(
        config::kExitOs,
        "-r, --enable-coredumps: the system allows no core files here; raise 'ulimit -c' or leave "
        "-r out");
}

void allow_locked_memory() {
    const rlimit unlimited{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    // Only root may; others live with the limit they have, and lock_memory() says when it is too
    // low.
    if (::setrlimit(RLIMIT_MEMLOCK, &unlimited) != 0) return;
}

std::expected<void, std::string> lock_memory() {
    // Pages are locked as they come into use: the address space reserved for items is many times as
    // large as what will ever be filled.
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return {};
    return std::unexpected(fmt::format(
        "memory cannot be locked ({}); raise 'ulimit -l' or start as root", reason(errno)));
}

bool has_large_pages() {
    std::FILE* file = std::fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (file == nullptr) return false;
    std::array<char, 128> text{};
    const std::size_t length = std::fread(text.data(), 1, text.size(), file);
    std::fclose(file);
    return !std::string_view(text.data(), length).contains("[never]");
}

ProcessResult daemonize(const Detachment& detachment) {
    const pid_t child = ::fork();
    if (child < 0)
        return fail(config::kExitFailure, "-d: cannot start the daemon: " + reason(errno));
    if (child > 0) ::_exit(0);
    const bool left = ::setsid() >= 0 && (detachment.keep_directory || ::chdir("/") == 0);
    if (!left) return fail(config::kExitFailure, "-d: cannot leave the terminal: " + reason(errno));
    if (detachment.keep_output) return {};
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return fail(config::kExitFailure, "-d: cannot open /dev/null: " + reason(errno));
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::dup2(null, standard) < 0) {
            return fail(config::kExitFailure,
                        "-d: cannot detach the standard files: " + reason(errno));
        }
    }
    if (null > STDERR_FILENO) ::close(null);
    return {};
}

std::expected<PidFile, std::string> PidFile::write(const std::string& path, bool remove_at_end) {
    if (const pid_t other = living_process_of(path); other != 0) {
        base::log_error("warning: {} had the pid of a running process: {}", path, other);
    }
    auto written = write_whole_file(path, ".tmp", fmt::format("{}\n", ::getpid()));
    if (!written) return std::unexpected(std::move(written.error()));
    PidFile result;
    if (remove_at_end) result.path_ = path;
    return result;
}

PidFile::~PidFile() {
    if (!path_.empty() && ::unlink(path_.c_str()) != 0 && errno != ENOENT) {
        base::log_error("cannot remove the pid file {}: {}", path_, reason(errno));
    }
}

}  // namespace shardmill::admin
