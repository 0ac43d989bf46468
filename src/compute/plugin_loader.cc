#include "compute/plugin_loader.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "compute/plugin_file.h"

namespace shardmill::compute {

namespace {

namespace fs = std::filesystem;

/// What lies there, links followed.
std::string trust_problem_of(const fs::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return std::strerror(errno);
    return trust_problem(status, ::geteuid());
}

/// A file of the directory, or a link to one.
std::string file_problem(const fs::path& directory, const fs::path& path) {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    if (error) return error.message();
    if (target.parent_path() != directory)
        return fmt::format("leads out of the directory, to {}", target.string());
    if (!fs::is_regular_file(target, error)) return "not a file";
    return trust_problem_of(target);
}

void add_kernels(const std::string& path, Registry& registry, std::vector<std::string>& refused) {
    auto file = PluginFile::load(path);
    if (!file) {
        refused.push_back(fmt::format("{}: {}", path, file.error()));
        return;
    }
    const shardmill_kernel_library& library = file->library();
    bool used = false;
    for (std::uint32_t index = 0; index < library.count; ++index) {
        const shardmill_kernel* const kernel = library.kernels[index];
        const auto added = kernel != nullptr
                               ? registry.add(*kernel, path)
                               : std::unexpected(fmt::format("kernel {} is missing", index));
        used = used || added.has_value();
        if (!added) refused.push_back(fmt::format("{}: {}", path, added.error()));
    }
    // What has given a kernel stays: programs hold its tables.
    if (!used) file->close();
}

}  // namespace

std::vector<std::string> load_plugins(const std::string& directory, Registry& registry) {
    std::vector<std::string> refused;
    std::error_code error;
    const fs::path real = fs::canonical(directory, error);
    if (error) return {fmt::format("{}: {}", directory, error.message())};
    if (const std::string problem = trust_problem_of(real); !problem.empty())
        return {fmt::format("{}: no kernel is loaded: {}", directory, problem)};

    std::vector<std::string> paths;
    fs::directory_iterator entries(real, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
        if (entries->path().extension() == ".so") paths.push_back(entries->path().string());
    }
    if (error) refused.push_back(fmt::format("{}: {}", directory, error.message()));
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
        if (const std::string problem = file_problem(real, path); !problem.empty()) {
            refused.push_back(fmt::format("{}: {}", path, problem));
        } else {
            add_kernels(path, registry, refused);
        }
    }
    return refused;
}

}  // namespace shardmill::compute
