#pragma once

#include <random>
#include <span>
#include <string>
#include <string_view>

namespace shardmill::fuzz {

/// Documents for check_json_fields to start from: every kind of value under the names it asks for,
/// and what is known to be delicate.
std::span<const std::string_view> json_fields_seeds() noexcept;

/// A random document with many of those names; well-formed but for numbers beyond 64 bits.
std::string random_json(std::mt19937_64& random);

}  // namespace shardmill::fuzz
