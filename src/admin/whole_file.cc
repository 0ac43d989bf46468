#include "admin/whole_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace shardmill::admin {

std::expected<void, std::string> write_whole_file(const std::string& path, const char* suffix,
                                                  std::string_view text) {
    const std::string temporary = path + suffix;
    const auto fail = [&](int error) {
        ::unlink(temporary.c_str());
        return std::unexpected(fmt::format("cannot write {}: {}", path, std::strerror(error)));
    };
    std::FILE* file = std::fopen(temporary.c_str(), "we");
    if (file == nullptr) return fail(errno);
    const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (std::fclose(file) != 0 || !written) return fail(errno);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return fail(errno);
    return {};
}

}  // namespace shardmill::admin
