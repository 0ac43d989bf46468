#pragma once

#include <span>
#include <string_view>

namespace shardmill::fuzz {

/// Pipelines for check_pipeline to start from: every stage, expression, aggregate and built-in
/// kernel.
std::span<const std::string_view> pipeline_seeds() noexcept;

}  // namespace shardmill::fuzz
