#pragma once

#include <string_view>

namespace shardmill::engine {

/// What `version` and `stats` tell: the release of memcached whose behaviour is offered. Clients
/// parse it.
inline constexpr std::string_view kProtocolVersion = "1.6.45";

/// shardmill's own version.
inline constexpr std::string_view kServerVersion = SHARDMILL_VERSION;

}  // namespace shardmill::engine
