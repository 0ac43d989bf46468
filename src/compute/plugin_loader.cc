#include "compute/plugin_loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "shardmill/kernel.h"

namespace shardmill::compute {

namespace {

/// Libraries stay open once they have given a kernel: programs hold their tables.
void load_file(const std::string& path, Registry& registry, std::vector<std::string>& refused) {
    void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* const reason = ::dlerror();
        refused.push_back(
            fmt::format("{}: {}", path, reason != nullptr ? reason : "cannot be loaded"));
        return;
    }
    const auto entry = reinterpret_cast<shardmill_kernel_library_function>(
        ::dlsym(handle, SHARDMILL_KERNEL_ENTRY));
    const shardmill_kernel_library* const library = entry != nullptr ? entry() : nullptr;
    if (library == nullptr) {
        refused.push_back(
            fmt::format("{}: not a kernel library (no {})", path, SHARDMILL_KERNEL_ENTRY));
    } else if (library->abi != SHARDMILL_KERNEL_ABI) {
        refused.push_back(fmt::format("{}: built for kernel ABI {}, this server has {}", path,
                                      library->abi, SHARDMILL_KERNEL_ABI));
    } else {
        bool used = false;
        for (std::uint32_t index = 0; index < library->count; ++index) {
            const auto added = registry.add(*library->kernels[index], path);
            used = used || added.has_value();
            if (!added) refused.push_back(fmt::format("{}: {}", path, added.error()));
        }
        if (used) return;
    }
    ::dlclose(handle);
}

}  // namespace

std::vector<std::string> load_plugins(const std::string& directory, Registry& registry) {
    std::vector<std::string> refused;
    std::vector<std::string> paths;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        if (entries->path().extension() == ".so") paths.push_back(entries->path().string());
    }
    if (error) refused.push_back(fmt::format("{}: {}", directory, error.message()));
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) load_file(path, registry, refused);
    return refused;
}

}  // namespace shardmill::compute
