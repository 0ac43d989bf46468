#include "admin/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.h"

namespace shardmill::admin {
namespace {

using config::EarlyExit;

std::unexpected<EarlyExit> fail(int code, std::string text) {
    return std::unexpected(EarlyExit{code, "shardmill: " + std::move(text) + "\n"});
}

std::string reason(int error) { return std::strerror(error); }

}  // namespace

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

ProcessResult daemonize() {
    const pid_t child = ::fork();
    if (child < 0)
        return fail(config::kExitFailure, "-d: cannot start the daemon: " + reason(errno));
    if (child > 0) ::_exit(0);
    if (::setsid() < 0 || ::chdir("/") != 0) {
        return fail(config::kExitFailure, "-d: cannot leave the terminal: " + reason(errno));
    }
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

std::expected<PidFile, config::EarlyExit> PidFile::write(const std::string& path) {
    const std::string temporary = path + ".tmp";
    const auto refuse = [&](int error) {
        ::unlink(temporary.c_str());
        return fail(config::kExitFailure,
                    fmt::format("-P, --pidfile: cannot write {}: {}", path, reason(error)));
    };
    std::FILE* file = std::fopen(temporary.c_str(), "we");
    if (file == nullptr) return refuse(errno);
    const bool written = std::fprintf(file, "%ld\n", static_cast<long>(::getpid())) > 0;
    if (std::fclose(file) != 0 || !written) return refuse(errno);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return refuse(errno);
    PidFile result;
    result.path_ = path;
    return result;
}

PidFile::~PidFile() {
    if (!path_.empty() && ::unlink(path_.c_str()) != 0 && errno != ENOENT) {
        base::log_error("cannot remove the pid file {}: {}", path_, reason(errno));
    }
}

}  // namespace shardmill::admin
