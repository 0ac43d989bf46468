#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "shardmill/kernel.h"

namespace shardmill::compute {

/// What `batch kernels` shows.
struct KernelInfo {
    std::string name;
    std::string arguments;    // "[:<expr>]"
    std::string description;  // one line
    std::string origin;       // "built-in", or the file it came from
};

/// The kernels known by name. Filled before the first job, then only read: from any thread.
class Registry {
 public:
    /// Empty; with_builtins is what a server wants.
    Registry() = default;
    static Registry with_builtins();

    /// The table must outlive the registry and every program compiled with it. Refused with a text:
    /// another ABI version, an incomplete table, a name that is taken or not a name.
    std::expected<void, std::string> add(const shardmill_kernel& kernel, std::string_view origin);

    /// nullptr if there is none.
    const shardmill_kernel* find(std::string_view name) const noexcept;

    /// Ordered by name.
    std::vector<KernelInfo> list() const;

 private:
    struct Entry {
        const shardmill_kernel* kernel;
        std::string origin;
    };
    std::vector<Entry> entries_;
};

}  // namespace shardmill::compute
