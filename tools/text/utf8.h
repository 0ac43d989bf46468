#pragma once

#include <cstddef>
#include <string_view>

namespace shardmill::text {

/// Columns `text` takes on a terminal, one a character; bytes that are not UTF-8 count one each.
std::size_t columns(std::string_view text) noexcept;

/// The longest start of `text` that fits `limit` columns.
std::string_view cut_to_columns(std::string_view text, std::size_t limit) noexcept;

}  // namespace shardmill::text
