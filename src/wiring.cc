#include "wiring.h"

#include <algorithm>
#include <bit>

#include "base/network.h"

namespace shardmill {
namespace {

protocol::Dialect dialect_of(config::WireProtocol protocol) {
    switch (protocol) {
        case config::WireProtocol::Text:
            return protocol::Dialect::Text;
        case config::WireProtocol::Binary:
            return protocol::Dialect::Binary;
        case config::WireProtocol::Auto:
            break;
    }
    return protocol::Dialect::Auto;
}

net::Security security_of(const config::TlsConfig& tls, config::ListenSecurity wanted) {
    switch (wanted) {
        case config::ListenSecurity::None:
            return net::Security::None;
        case config::ListenSecurity::Tls:
            return net::Security::TlsNoPeer;
        case config::ListenSecurity::Mutual:
            return net::Security::TlsMutual;
        case config::ListenSecurity::Default:
            break;
    }
    return tls.enabled ? net::Security::Tls : net::Security::None;
}

/// Fewer where there is little memory: all together they take a thirty-second of it, or a megabyte
/// a reactor.
std::uint32_t receive_buffers(const config::Config& config, std::uint32_t bytes_each) {
    const std::uint64_t share = config.memory_limit / 32 / config.reactors / bytes_each;
    return static_cast<std::uint32_t>(std::bit_floor(std::clamp<std::uint64_t>(share, 64, 256)));
}

/// Kept for reuse as long as they are needed every second, and charged to the memory limit.
std::uint32_t kept_buffer_bytes(const config::Config& config) {
    const std::uint64_t share = config.memory_limit / 16 / config.reactors;
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(share, 2u << 20, 32u << 20));
}

}  // namespace

net::ServerConfig server_config(const config::Config& config) {
    net::ServerConfig server;
    server.reactors = config.reactors;
    for (const config::ListenAddress& address : config.listen) {
        server.listen.push_back({.host = address.host,
                                 .port = address.port,
                                 .security = security_of(config.tls, address.security),
                                 .dialect = dialect_of(address.protocol),
                                 .tag = address.tag});
    }
    server.tls = {.enabled = config.tls.enabled,
                  .chain_cert = config.tls.chain_cert,
                  .key = config.tls.key,
                  .ca_cert = config.tls.ca_cert,
                  .ciphers = config.tls.ciphers,
                  .verify_mode = config.tls.verify_mode,
                  .key_format = config.tls.key_format,
                  .min_version = config.tls.min_version,
                  .session_cache = config.tls.session_cache};
    server.unix_path = config.unix_socket;
    server.unix_dialect = dialect_of(config.protocol);
    server.unix_mode = config.unix_mask;
    server.backlog = config.listen_backlog;
    server.connections_max = config.max_connections;
    server.close_over_limit = config.close_over_limit;
    server.idle_timeout_s = config.idle_timeout_s;
    server.job_keys = config.job_keys;
    server.requests_per_event = config.requests_per_event;
    server.receive_buffers = receive_buffers(config, server.receive_buffer_bytes);
    server.kept_buffer_bytes = kept_buffer_bytes(config);
    for (const config::ListenAddress& address : config.udp_listen) {
        server.udp.push_back({.host = address.host,
                              .port = address.port,
                              .dialect = dialect_of(config.protocol),
                              .tag = address.tag});
    }
    server.udp_trusted.clear();
    for (const std::string& network : config.udp_trusted) {
        // They were checked with the other options.
        if (const auto parsed = base::Network::parse(network)) {
            server.udp_trusted.push_back(*parsed);
        }
    }
    if (config.sasl) server.authentication = net::Authentication::Sasl;
    if (!config.auth_file.empty()) server.authentication = net::Authentication::Text;
    return server;
}

std::vector<admin::BoundPort> bound_ports(const net::Server& server) {
    std::vector<admin::BoundPort> ports;
    for (const net::BoundAddress& address : server.bound()) {
        switch (address.kind) {
            case net::BoundAddress::Kind::Tcp4:
                ports.push_back({"TCP INET", address.port});
                break;
            case net::BoundAddress::Kind::Tcp6:
                ports.push_back({"TCP INET6", address.port});
                break;
            case net::BoundAddress::Kind::Udp4:
                ports.push_back({"UDP INET", address.port});
                break;
            case net::BoundAddress::Kind::Udp6:
                ports.push_back({"UDP INET6", address.port});
                break;
            case net::BoundAddress::Kind::Unix:
                break;
        }
    }
    return ports;
}

}  // namespace shardmill
