#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace shardmill::admin {

/// Writes a small file under the name `path` + `suffix` and renames it, so that nobody reads half
/// of it. Unexpected: what could not be done and why; nothing is left behind then.
std::expected<void, std::string> write_whole_file(const std::string& path, const char* suffix,
                                                  std::string_view text);

}  // namespace shardmill::admin
