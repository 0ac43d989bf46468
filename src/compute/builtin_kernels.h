#pragma once

#include <span>

#include "shardmill/kernel.h"

namespace shardmill::compute {

/// The kernels that come with the server; static tables.
std::span<const shardmill_kernel* const> builtin_kernels() noexcept;

}  // namespace shardmill::compute
