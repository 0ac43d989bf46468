#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "config/command_line.h"
#include "config/config.h"

namespace shardmill::admin {

/// What a process does to itself around serving. All of it on the main thread before others start;
/// every error is a text for the operator with memcached's exit code.
using ProcessResult = std::expected<void, config::EarlyExit>;

/// Whom to become: an account by name. Nothing is changed by looking it up.
struct Account {
    bool change = false;  // false: stay who we are
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Refused: root without -u, an account that does not exist. `euid`: of this process.
std::expected<Account, config::EarlyExit> find_account(const config::Config& config, uid_t euid);

/// Gives up root for good: groups, group, user.
ProcessResult become(const Account& account);

/// Core files without limit, where the system allows it.
ProcessResult allow_core_dumps();

/// Leaves the terminal: the parent exits with 0, the child goes on in /, in a session of its own,
/// with its standard files on /dev/null. Only while there is a single thread.
ProcessResult daemonize();

/// Holds the process id for as long as the object lives, as far as it is still this process's file.
class PidFile {
 public:
    PidFile() = default;
    /// Written under another name and renamed, so that nobody reads half of it.
    static std::expected<PidFile, config::EarlyExit> write(const std::string& path);
    ~PidFile();
    PidFile(PidFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
    PidFile& operator=(PidFile&& other) noexcept {
        std::swap(path_, other.path_);
        return *this;
    }

 private:
    std::string path_;  // empty: there is none
};

}  // namespace shardmill::admin
