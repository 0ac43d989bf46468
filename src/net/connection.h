#pragma once

#include <cstdint>
#include <memory>

#include "net/buffer_pool.h"
#include "net/deliveries.h"
#include "net/executor.h"
#include "net/output_queue.h"
#include "net/tls_session.h"
#include "net/value_receiver.h"
#include "protocol/dialect.h"
#include "uring/ring.h"

namespace shardmill::net {

class ReactorIo;
struct BoundAddress;

/// Completions of a connection, told apart by type so that a handler finds its connection.
struct ReceiveCompletion : uring::Completion {};
struct SendCompletion : uring::Completion {};

/// One client. Plain state, owned by the reactor's ConnectionTable and worked on by CommandReader
/// (input), Batch (replies) and ReactorIo (the socket). It stays where it is for as long as an
/// operation of it is under way. An idle connection owns nothing besides this object.
struct Connection final : ReceiveCompletion, SendCompletion {
    ReactorIo* io = nullptr;
    ConnectionId id{};
    int socket = -1;
    bool datagram = false;                   // it is one request of UDP, see UdpPort
    bool authenticated = false;              // may do more than log in
    const BoundAddress* listener = nullptr;  // what it came in by; outlives it
    PeerAddress peer;
    CloseReason close_reason = CloseReason::Error;  // if it were closed now
    bool in_use = false;                            // the slot holds a connection

    // The socket.
    bool receiving = false;   // a receive is under way
    bool cancelling = false;  // and is to end
    bool sending = false;     // a send is under way, from `outgoing`
    bool flooding = false;   // sends faster than it is served: received one buffer at a time, since
                             // a repeating receive takes all that the socket has
    bool end_seen = false;   // the peer has sent all it wants to send
    bool closing = false;    // nothing more is read; closed once all replies are out
    bool broken = false;     // closed as soon as no operation is under way; replies are dropped
    bool released = false;   // the executor has been told that it is gone
    bool shut_down = false;  // the socket has been shut down to end its operations

    // The turn.
    bool deferred = false;             // waits for Replier::reply before parsing goes on
    bool endless = false;              // ... which never comes: input is thrown away
    bool choked = false;               // waits for its output to drain before parsing goes on
    bool in_dirty = false;             // in the list of those to look after at the end of the turn
    bool in_runnable = false;          // in the list of those with unparsed input for the next turn
    std::uint32_t last_command_s = 0;  // when it last sent one, or came; see ReactorIo
    std::uint32_t arrival_mark = 0;    // see WaitPolicy
    std::uint32_t turn_operations = 0;  // in this turn
    std::uint32_t turn_input = 0;       // bytes of commands parsed in this turn
    std::uint32_t operations_max =
        kFirstOperationsMax;           // allowed in a turn, adapted to reply sizes
    std::uint32_t operations_now = 0;  // allowed before others go on, of those in this turn
    std::uint64_t turn_output = 0;     // bytes of replies in this turn

    // How it is spoken on, and where its deferred answer goes in a packet, which (see Batch).
    protocol::Dialect dialect = protocol::Dialect::Auto;
    bool answer_in_packet = false;
    std::uint32_t answer_opaque = 0;

    // Input. `input` holds what could not be parsed yet: part of a command, or, while the
    // connection waits, anything.
    Buffer input;
    std::uint64_t input_batch = 0;  // the batch whose operations point into `input`
    std::size_t input_needed =
        0;                      // bytes of `input` before parsing makes sense, 0: up to a newline
    std::uint64_t swallow = 0;  // bytes to throw away as they arrive
    ValueReceiver* upload = nullptr;  // a large value on its way into the log

    std::unique_ptr<TlsSession> tls;  // of a secured connection

    // Output: what the next send takes, and what the present one is sending.
    OutputQueue pending;
    OutputQueue outgoing;
    std::unique_ptr<Deliveries> deliveries;  // of pushed output; most never have any

    /// Operations of a connection that nothing is known about yet in one turn: its replies may be
    /// large.
    static constexpr std::uint32_t kFirstOperationsMax = 64;

    /// Parsing has to wait, whatever arrives.
    bool stalled() const noexcept { return deferred || choked || in_runnable; }
    ConnectionFacts facts() const noexcept { return {id, socket, peer}; }
    std::uint64_t output_bytes() const noexcept { return pending.bytes() + outgoing.bytes(); }

    static Connection& of(uring::Completion& completion, ReceiveCompletion*) noexcept {
        return static_cast<Connection&>(static_cast<ReceiveCompletion&>(completion));
    }
    static Connection& of(uring::Completion& completion, SendCompletion*) noexcept {
        return static_cast<Connection&>(static_cast<SendCompletion&>(completion));
    }
};

static_assert(sizeof(Connection) <= 512, "an idle connection must stay well within 2 KiB");

}  // namespace shardmill::net
