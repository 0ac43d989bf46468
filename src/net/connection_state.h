#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shardmill::net {

struct BoundAddress;
struct Connection;
struct ConnectionReport;

/// What a connection is busy with, in memcached's words. Static text.
std::string_view state_of(const Connection& connection) noexcept;

/// A TCP connection of which nothing is under way, so that `idle_timeout` is counted.
bool is_idle(const Connection& connection) noexcept;

/// Of one connection at `now_s`, in the seconds of Connection::last_command_s.
ConnectionReport report_on(const Connection& connection, std::uint32_t now_s);
ConnectionReport report_on(const BoundAddress& listener);

}  // namespace shardmill::net
