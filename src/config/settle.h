#pragma once

#include "config/option_table.h"

namespace shardmill::config {

/// What single options cannot see: how they fit together, what follows from them, and the
/// listeners. In memcached's order, so that of several mistakes the same one is found.
std::expected<Config, EarlyExit> settle(Draft&& draft);

}  // namespace shardmill::config
