#pragma once

#include "shardmill/client.hpp"

namespace shardmill::bench {

/// A connected, non-blocking socket without Nagle's delay. Throws client::Error.
int connect_socket(const client::Address& address);

}  // namespace shardmill::bench
