#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/network.h"
#include "net/executor.h"
#include "net/tls_settings.h"
#include "protocol/dialect.h"
#include "runtime/task_queue.h"
#include "runtime/turn_histogram.h"
#include "uring/feature_set.h"

namespace shardmill::net {

/// How the connections of a listener are secured.
enum class Security : std::uint8_t {
    None,
    Tls,        // clients show certificates as the server's verification mode says
    TlsNoPeer,  // clients are not asked for certificates
    TlsMutual,  // clients must show a certificate
};

/// One address to listen on for TCP, or, without security, for UDP.
struct ListenAddress {
    std::string host;  // name or number; empty: all interfaces, IPv4 and IPv6
    int port = 11211;  // -1: an ephemeral one
    Security security = Security::None;
    protocol::Dialect dialect = protocol::Dialect::Auto;
    std::string tag;  // of the configuration, shown only
};

/// What a server listens on and how much it lets in. The defaults are memcached's.
struct ServerConfig {
    std::uint32_t reactors = 4;         // -t: threads with a ring and connections of their own
    std::vector<ListenAddress> listen;  // -l, -p: by host and port
    std::string unix_path;              // -s: if set, nothing listens on TCP
    protocol::Dialect unix_dialect = protocol::Dialect::Auto;  // -B
    std::uint32_t unix_mode = 0700;                            // -a
    int backlog = 1024;                                        // -b
    TlsSettings tls;                                           // for the listeners that are secured
    std::uint32_t connections_max = 1024;                      // -c
    bool close_over_limit = true;  // over -c: tell a client so and drop it; else stop accepting
    std::uint32_t requests_per_event = 20;  // -R: in a row on one connection while others wait
    std::uint32_t idle_timeout_s = 0;       // TCP connections may idle so long; 0: for ever
    std::vector<ListenAddress> udp;         // -U
    /// Peers that may get more bytes over UDP than they have sent.
    std::vector<base::Network> udp_trusted = base::loopback_networks();
    Authentication authentication = Authentication::None;  // -Y

    bool job_keys = false;  // keys of jobs are handed over as Verb::JobKey, not looked up

    // Limits of one connection. They exist for tests to set small; the defaults are meant to be
    // kept.
    std::uint32_t upload_bytes_min = 32u << 10;  // values from here on go straight into the log
    std::uint32_t output_bytes_max =
        2u << 20;  // pending output at which a connection is no longer listened to
    std::uint32_t backlog_bytes_max =
        64u << 10;  // received, not yet parsed bytes at which receiving pauses
    std::uint32_t line_bytes_max = 8u << 20;         // a `get` line may be this long
    std::uint32_t turn_requests_max = 1024;          // operations of one connection in one turn
    std::uint32_t batch_operations_max = 512;        // operations handed to the executor at once
    std::uint32_t receive_buffers = 256;             // per reactor, power of two
    std::uint32_t receive_buffer_bytes = 16u << 10;  // each
    std::uint32_t kept_buffer_bytes = 1u << 20;      // input and output buffers kept for reuse, per
                                                     // reactor
    std::uint32_t datagram_buffers = 64;  // for UDP, per reactor, power of two; 64 KiB each, which
                                          // are only touched as far as they are filled
    std::uint32_t datagrams_max = 256;    // requests of UDP under way, per reactor
    std::uint32_t batch_wait_us = 40;     // longest time a busy reactor waits for company; 0: never
    std::uint32_t stop_drain_ms = 1000;   // how long stop() lets pending output drain

    uring::FeatureSet disabled_features;  // plainer paths on purpose, for tests and diagnosis
};

/// A socket that is being listened on, and what it makes of the connections that come in by it.
struct BoundAddress {
    enum class Kind : std::uint8_t { Tcp4, Tcp6, Unix, Udp4, Udp6 };
    Kind kind;
    std::uint16_t port;   // 0 for Unix
    std::string address;  // numeric address or path
    Security security = Security::None;
    protocol::Dialect dialect = protocol::Dialect::Auto;
    std::string tag;
    int socket = -1;  // the descriptor, while it is listened on
};

/// A listener or connection as `stats conns` shows it.
struct ConnectionReport {
    int socket;                  // its descriptor
    std::string address;         // tcp:<ip>:<port>, tcp6:[<ip>]:<port>, udp:..., unix:<path>
    std::string listen_address;  // of connections: what they came in by
    std::string_view state;      // memcached's word
    std::uint32_t idle_s;        // since the last command, or since it began
    ConnectionId id;             // of connections
};

/// What the control plane asks of a server about its listeners and connections. Any thread but a
/// reactor's, while the server runs; the answers come on that thread or on a reactor.
class ServerControl {
 public:
    virtual ~ServerControl() = default;

    /// Reads the files of certificates and keys again, on the calling thread, which may block.
    /// Connections that begin after `done` was called get what was read, existing ones keep what
    /// they have; with an error (one line) nothing has changed.
    using RefreshDone = std::move_only_function<void(std::expected<void, std::string>)>;
    virtual void refresh_certs(RefreshDone done) = 0;

    /// Gathers reports on all listeners and connections, in the order of their descriptors. No
    /// reactor waits for another.
    using ListDone = std::move_only_function<void(std::vector<ConnectionReport>)>;
    virtual void list_connections(ListDone done) = 0;
};

/// The data plane's I/O: listeners, reactors and their connections. Built, started and stopped by
/// one thread (main); everything else happens on the reactors' threads.
class Server final : public ServerControl {
 public:
    /// One executor per reactor, called on that reactor's thread only; they outlive the server.
    /// Nothing happens yet, but `tasks` and `replier` can be handed around.
    Server(ServerConfig config, std::vector<Executor*> executors);
    ~Server() override;
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Reads certificates and key, where TLS is wanted: before `listen`, and once. Unexpected:
    /// which file, and why.
    std::expected<void, std::string> load_certs();

    void refresh_certs(RefreshDone done) override;
    void list_connections(ListDone done) override;

    /// Opens the listening sockets without accepting: for what must happen between that and `start`
    /// (dropping privileges). On failure says what is wrong and what to do. Raises RLIMIT_NOFILE to
    /// what `connections_max` needs.
    std::expected<void, std::string> listen();

    /// Probes the kernel, listens if that has not been done, starts the reactors and accepts. On
    /// failure says what is wrong and what to do; nothing is left running.
    std::expected<void, std::string> start();

    /// Closes listeners and connections as `stop` does, but the reactors go on working for others.
    /// To be called again until it returns true: no client is left. Not from a reactor.
    bool close_clients();

    /// Stops accepting, lets pending output drain for a bounded time, closes everything, joins the
    /// reactors. Every upload and pin has been given back to its executor when this returns.
    /// Idempotent; not from a reactor.
    void stop();

    std::uint32_t reactors() const noexcept;

    /// Inbox of a reactor. Posted tasks run on that reactor's thread between turns; those posted
    /// before `start` run when it starts.
    runtime::TaskQueue& tasks(std::uint32_t reactor) noexcept;

    /// For deferred replies; usable for as long as the server exists.
    Replier& replier() noexcept;

    const ConnectionCounters& counters(std::uint32_t reactor) const noexcept;
    const ListenCounters& listen_counters() const noexcept;
    const runtime::TurnHistogram& turn_lengths(std::uint32_t reactor) const noexcept;

    /// What is listened on, with real ports; complete once `listen` or `start` has succeeded.
    const std::vector<BoundAddress>& bound() const noexcept;

    /// One line on the kernel features in use, for -v.
    std::string describe_features() const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::net
