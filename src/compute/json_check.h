#pragma once

#include <string_view>

namespace shardmill::compute {

/// Whether `text` is one whole JSON document. Copies it. Any thread; throws std::bad_alloc.
bool is_json(std::string_view text);

}  // namespace shardmill::compute
