#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/peer_address.h"
#include "protocol/request.h"

namespace shardmill::net {

/// What a client has to do before it is served.
enum class Authentication : std::uint8_t {
    None,
    Sasl,  // packets of SASL; connections speak the binary protocol only
    Text,  // log in with a `set`, see protocol::parse_login; connections speak text only
};

/// Names a connection for as long as the process lives: the slot is reused, the generation is not.
/// Lets another thread answer later without holding a pointer.
struct ConnectionId {
    std::uint32_t reactor;
    std::uint32_t slot;
    std::uint64_t generation;
};

/// A connection as others see it. The views live as long as the call they are handed to.
struct ConnectionFacts {
    ConnectionId id;
    int socket;  // the descriptor, by which memcached's reports name connections
    const PeerAddress& peer;
};

/// Why a connection ended, as memcached tells its watchers.
enum class CloseReason : std::uint8_t {
    Error,        // the peer broke the protocol or vanished
    Normal,       // the peer was through, or said `quit`
    IdleTimeout,  // nothing came for too long
    Shutdown,     // the server stops
};

/// Log memory that a reply is sent from, kept alive by the executor until `Executor::release`.
struct PinnedValue {
    std::string_view bytes;
    std::uint64_t pin;  // the executor's own handle, given back to release()
};

/// Space in the log that a large value is received into, outside any lock, before its command is
/// executed.
struct Upload {
    char* value = nullptr;    // room for the value alone, without line end. nullptr: refused
    std::uint64_t token = 0;  // the executor's own handle; of a refusal, why
};

/// One key's worth of a command: what a turn groups by shard. A get of n keys is n of these that
/// share one request.
struct Operation {
    const protocol::Request* request;
    std::string_view key;
    std::uint64_t hash;    // scratch of the executor
    std::uint64_t* slot;   // scratch of the executor
    std::uint32_t shard;   // scratch of the executor
    bool last_of_request;  // closes the command's reply (END)
    bool deferred;  // out: the reply comes later through Reactor inbox; the connection waits for it
    std::uint32_t reply_begin;  // out: bytes of ReplyArena::text
    std::uint32_t reply_end;
    std::int32_t pinned;      // out: index into ReplyArena::pinned; -1: none, the reply is all text
    std::uint32_t pinned_at;  // out, with pinned: the value is sent between the text up to here and
                              // the rest of the text, which begins with what follows the value
    ConnectionId connection;
    Upload upload;   // in: where the value is, if it did not come in request->value
    bool uploaded;   // in: `upload` holds the value (or its refusal), request->value is empty
    bool pipelined;  // in: the connection has sent other commands in this turn before this one
    bool endless;    // out, with deferred: there will be no reply, only what is pushed. What the
                     // connection sends from now on is thrown away, and its end closes it
    std::int32_t socket;  // in: the connection's descriptor, for logs
};

/// The replies of one turn in the order of execution. Connections pick their fragments out in the
/// order of requests.
struct ReplyArena {
    std::string text;
    std::vector<PinnedValue> pinned;
    void clear() noexcept {
        text.clear();
        pinned.clear();
    }
};

/// What the data plane runs requests on. One object per reactor, called on that reactor's thread
/// only; nothing here blocks, throws or makes a system call.
class Executor {
 public:
    virtual ~Executor() = default;

    /// Executes a turn's operations: grouped by shard as it likes, but operations on one key, and
    /// operations without a key against all others of the turn, in the order given. Sets the out
    /// members of every operation.
    virtual void execute(std::span<Operation> operations, ReplyArena& replies) noexcept = 0;

    /// Room for a value that will not be complete in the receive buffer. A refusal (too large, no
    /// memory) is not an error here: the value is swallowed and the operation executed all the same
    /// with `uploaded` set and `upload.value` null, so that it is answered in order.
    virtual Upload reserve(const protocol::Request& request) noexcept = 0;
    /// Gives up an upload whose connection went away before its operation was executed.
    virtual void abandon(Upload upload) noexcept = 0;

    /// The bytes of a pinned value have been sent, or never will be.
    virtual void release(const PinnedValue& value) noexcept = 0;

    /// Whether `user` may come in with `password`, on connections that must log in first
    /// (Authentication::Text).
    virtual bool authenticate([[maybe_unused]] std::string_view user,
                              [[maybe_unused]] std::string_view password) noexcept {
        return false;
    }

    /// A connection has come. It is unknown to the executor until then.
    virtual void connection_opened(const ConnectionFacts& connection) noexcept = 0;
    /// A connection is gone: deferred replies to it have no reader any more.
    virtual void connection_closed(const ConnectionFacts& connection,
                                   CloseReason reason) noexcept = 0;
    /// A connection is about to be closed because TLS failed on it.
    virtual void tls_failed(const ConnectionFacts&, std::string_view /*reason*/) noexcept {}

    /// What the reactor's connections hold in buffers has changed from `before` to `now` bytes; not
    /// told of every small change.
    virtual void buffers_changed(std::uint64_t /*before*/, std::uint64_t /*now*/) noexcept {}

    /// Bounded housekeeping after a turn (expiry, cleaning, index growth). True: more is waiting,
    /// call again soon even without traffic.
    virtual bool housekeep() noexcept = 0;
};

/// Told what became of pushed bytes: true once the socket has taken them, false if the connection
/// went away before. On the connection's reactor; must not block. Destroyed without being called
/// when the server stops first.
using Delivered = std::move_only_function<void(bool delivered)>;

/// Where deferred replies go. Callable from any thread for as long as the server runs.
class Replier {
 public:
    virtual ~Replier() = default;

    /// Answers the operation that was left `deferred` on `connection` and lets the connection go
    /// on. A connection that is gone meanwhile is not an error: the bytes are dropped.
    virtual void reply(ConnectionId connection, std::string bytes) = 0;

    /// As `reply`, and whether the connection may do more than log in from here on.
    virtual void reply_login(ConnectionId connection, std::string bytes,
                             [[maybe_unused]] bool authenticated) {
        reply(connection, std::move(bytes));
    }

    /// Sends `bytes` on a connection that waits for the reply of a deferred operation, before that
    /// reply, in the order of the calls. Nothing holds back who pushes faster than the client
    /// reads: that is what `delivered` is for.
    virtual void push(ConnectionId connection, std::string bytes, Delivered delivered) = 0;
};

/// What a reactor's connections have counted. Written by one thread, read by any: relaxed atomics,
/// never shared lines.
struct alignas(64) ConnectionCounters {
    std::atomic<std::uint64_t> current{0};
    std::atomic<std::uint64_t> total{0};
    std::atomic<std::uint64_t> ended{0};  // of those in total
    std::atomic<std::uint64_t> rejected{0};
    std::atomic<std::uint64_t> structures{0};            // room for connections, used or not
    std::atomic<std::uint64_t> idle_kicks{0};            // closed because nothing came for too long
    std::atomic<std::uint64_t> tls_new_sessions{0};      // that can be resumed
    std::atomic<std::uint64_t> tls_handshake_errors{0};  // connections that came to nothing
    std::atomic<std::uint64_t> tls_proto_errors{0};      // those that broke later
    std::atomic<std::uint64_t> udp_requests{0};          // datagrams received
    std::atomic<std::uint64_t> udp_dropped{0};           // received or to be sent, and thrown away
    std::atomic<std::uint64_t> udp_refused{0};           // replies longer than the peer may get
    std::atomic<std::uint64_t> bytes_read{0};
    std::atomic<std::uint64_t> bytes_written{0};
    std::atomic<std::uint64_t> turns{0};
    std::atomic<std::uint64_t> yields{0};
    std::atomic<std::uint64_t> buffer_bytes{0};  // input and output buffers held by connections
    std::atomic<std::uint64_t> idle_buffer_bytes{0};  // kept for those who need some next
};

/// What listening counts, for the server as a whole. Any thread reads.
struct ListenCounters {
    std::atomic<std::uint64_t> listeners{0};           // sockets listened on
    std::atomic<bool> accepting{true};                 // false while -c holds back new connections
    std::atomic<std::uint64_t> disabled{0};            // times that began
    std::atomic<std::uint64_t> disabled_us{0};         // how long it lasted, those that ended
    std::atomic<std::uint64_t> certs_loaded_at_ns{0};  // monotonic; 0: no TLS
};

}  // namespace shardmill::net
