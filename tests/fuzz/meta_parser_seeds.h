#pragma once

#include <span>
#include <string_view>

namespace shardmill::fuzz {

/// Input to start from: every meta command with every flag that acts on it, and near misses.
std::span<const std::string_view> meta_parser_seeds() noexcept;

}  // namespace shardmill::fuzz
