#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "config/config.h"

namespace shardmill::config {

/// One address of -l: `host`, `host:port`, `[v6]`, `[v6]:port`, `v6` or `*`, with prefixes for
/// security (`notls:`, `btls:`, `mtls:`), protocol (`proto[...]:`) and tag (`tag[...]:` or
/// `tag_..._:`) in this order. What is not said is taken from `defaults`. Unexpected: what is wrong
/// with it.
std::expected<ListenAddress, std::string> parse_listen_address(std::string_view text,
                                                               const ListenAddress& defaults);

}  // namespace shardmill::config
