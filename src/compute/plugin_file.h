#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "shardmill/kernel.h"

struct stat;

namespace shardmill::compute {

/// A kernel library loaded into the process.
class PluginFile {
 public:
    /// Looks at the file, loads it, runs its entry and checks its version: the file's code runs.
    /// Unexpected: the reason in one line, without the file's name. An ELF file that is cut off or
    /// of another kind is refused before anything of it is mapped.
    static std::expected<PluginFile, std::string> load(const std::string& path);

    const shardmill_kernel_library& library() const noexcept { return *library_; }
    /// Unloads it: only if nobody has its kernels. Otherwise it stays until the process ends.
    void close() noexcept;

 private:
    void* handle_ = nullptr;
    const shardmill_kernel_library* library_ = nullptr;
};

/// Why a server of `user` must not run code from a file (or out of a directory) with that status:
/// somebody but root and the user owns it, or group or others may write to it. Empty: it may.
std::string trust_problem(const struct ::stat& status, uid_t user);

}  // namespace shardmill::compute
