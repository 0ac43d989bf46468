#pragma once

#include <string>
#include <string_view>

#include "snapshot/error.h"
#include "uring/file.h"

namespace shardmill::snapshot {

/// Manifests and CURRENT; anything larger is not one.
inline constexpr std::uint64_t kSmallFileBytesMax = 64u << 20;

/// The whole file. NotFound, Corrupt (too large), Io.
Result<std::string> read_small_file(uring::FileSystem& fs, const std::string& path);

/// Replaces `path` atomically by way of `path`.tmp: written, synced, renamed. The directory is not
/// synced.
Result<void> replace_small_file(uring::FileSystem& fs, const std::string& path,
                                std::string_view text);

/// The first half of it: `path`.tmp is written and synced.
Result<void> prepare_small_file(uring::FileSystem& fs, const std::string& path,
                                std::string_view text);

inline constexpr std::string_view kTemporarySuffix = ".tmp";

}  // namespace shardmill::snapshot
