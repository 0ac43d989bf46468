#pragma once

#include <string>
#include <string_view>

namespace shardmill::text {

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the
/// result is always JSON.
std::string json_string(std::string_view text);

}  // namespace shardmill::text
