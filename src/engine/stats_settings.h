#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.h"

namespace shardmill::engine {

/// The lines of `stats settings` for a configuration: memcached's names in memcached's order. What
/// cannot be set here has the value that describes the behaviour.
std::vector<std::pair<std::string, std::string>> settings_lines(const config::Config& config);

}  // namespace shardmill::engine
