#pragma once

#include <span>
#include <string_view>

namespace shardmill::fuzz {

/// Input to start from: at least one for every command word, valid ones and near misses.
std::span<const std::string_view> text_parser_seeds() noexcept;

}  // namespace shardmill::fuzz
