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

/// Opens standard files that were handed over closed on /dev/null: before anything else, so that no
/// socket and no file gets their numbers and is written to, or closed, in their place.
void open_standard_files() noexcept;

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

/// Lets this process and what it becomes lock as much memory as they like; does nothing where it
/// may not. Before `become`.
void allow_locked_memory();

/// Keeps every page that is in use, now or later, in memory. After `daemonize`: a child does not
/// inherit it. Unexpected: why not, and what to do; nothing is locked then.
std::expected<void, std::string> lock_memory();

/// False: the kernel never gives large pages, whatever it is asked for.
bool has_large_pages();

/// What a daemon does not leave behind.
struct Detachment {
    bool keep_directory = false;  // core files are to be found where it was started
    bool keep_output = false;     // what it says is to be read
};
/// Leaves the terminal: the parent exits with 0, the child goes on in /, in a session of its own,
/// with its standard files on /dev/null. Only while there is a single thread.
ProcessResult daemonize(const Detachment& detachment);

/// A file with the process id, removed with the object if that was asked for.
class PidFile {
 public:
    PidFile() = default;
    /// Written under another name and renamed, so that nobody reads half of it. Warns of a process
    /// that lives and is named by the file before. Unexpected: why it is not there.
    static std::expected<PidFile, std::string> write(const std::string& path, bool remove_at_end);
    ~PidFile();
    PidFile(PidFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
    PidFile& operator=(PidFile&& other) noexcept {
        std::swap(path_, other.path_);
        return *this;
    }

 private:
    std::string path_;  // what to remove; empty: nothing
};

}  // namespace shardmill::admin
