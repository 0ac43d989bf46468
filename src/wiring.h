#pragma once

#include <vector>

#include "admin/port_file.h"
#include "config/config.h"
#include "net/server.h"

namespace shardmill {

// The configuration in the words of the parts that know nothing of it, and what they say in the
// words of those who ask.

net::ServerConfig server_config(const config::Config& config);

/// What a server listens on, for the port file.
std::vector<admin::BoundPort> bound_ports(const net::Server& server);

}  // namespace shardmill
