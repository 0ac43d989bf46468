#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "net/server.h"
#include "net/socket.h"

namespace shardmill::net {

/// A socket that is being listened on.
struct Listener {
    FileDescriptor socket;
    BoundAddress address;
};

/// Opens everything the configuration asks for. On failure the text says what is wrong and what to
/// do; nothing stays open. May look up names: not on a reactor.
std::expected<std::vector<Listener>, std::string> open_listeners(const ServerConfig& config);

/// Raises the limit on open files as far as the system lets us, and to what `connections_max` needs
/// at least, or says why it cannot.
std::expected<void, std::string> raise_file_limit(const ServerConfig& config);

}  // namespace shardmill::net
