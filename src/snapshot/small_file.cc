#include "snapshot/small_file.h"

#include <fmt/format.h>

#include <cerrno>

namespace shardmill::snapshot {

Result<std::string> read_small_file(uring::FileSystem& fs, const std::string& path) {
    const auto file = fs.open(path);
    if (!file) {
        return fail(file.error().code == ENOENT ? ErrorKind::NotFound : ErrorKind::Io,
                    file.error().what);
    }
    const auto size = (*file)->size();
    if (!size) return fail(size.error());
    if (*size > kSmallFileBytesMax) {
        return fail(ErrorKind::Corrupt, fmt::format("{}: {} bytes is too large", path, *size));
    }
    std::string text(static_cast<std::size_t>(*size), '\0');
    const auto count = (*file)->read_at(0, text);
    if (!count) return fail(count.error());
    text.resize(*count);
    return text;
}

Result<void> prepare_small_file(uring::FileSystem& fs, const std::string& path,
                                std::string_view text) {
    const std::string temporary = path + std::string(kTemporarySuffix);
    const auto leftover = fs.stat(temporary);
    if (!leftover) return fail(leftover.error());
    if (*leftover) {
        if (auto result = fs.unlink(temporary); !result) return fail(result.error());
    }
    const auto file = fs.create(temporary);
    if (!file) return fail(file.error());
    if (auto result = (*file)->append(text); !result) return fail(result.error());
    if (auto result = (*file)->sync(); !result) return fail(result.error());
    return {};
}

Result<void> replace_small_file(uring::FileSystem& fs, const std::string& path,
                                std::string_view text) {
    if (auto result = prepare_small_file(fs, path, text); !result) return result;
    if (auto result = fs.rename(path + std::string(kTemporarySuffix), path); !result) {
        return fail(result.error());
    }
    return {};
}

}  // namespace shardmill::snapshot
