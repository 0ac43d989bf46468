#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "net/executor.h"
#include "net/listener.h"
#include "net/socket.h"
#include "uring/ring.h"

namespace shardmill::net {

/// Accepts the connections of all listeners on one reactor and hands them out. Over the limit a
/// client is told so and dropped, or waits until another one leaves, and nobody else is accepted
/// meanwhile. On that reactor's thread.
class Acceptor {
 public:
    using HandOut = std::function<void(AcceptedSocket)>;

    struct Parts {
        const std::vector<BoundAddress>& bound;  // of each listener; outlives all connections
        ConnectionQuota& quota;
        bool close_over_limit;         // else: stop accepting
        ConnectionCounters& counters;  // of the accepting reactor, for rejections
        ListenCounters& listen_counters;
    };
    Acceptor(std::vector<Listener> listeners, const Parts& parts, HandOut hand_out);

    void begin(uring::Ring& ring) noexcept;
    /// Hands out what has been accepted and starts accepting again where that has ended.
    void turn() noexcept;
    /// When the next turn is due at the latest.
    std::uint64_t idle_ns() const noexcept;
    /// Ends accepting. Once `stopped`, no operation is under way and the sockets are closed.
    void stop() noexcept;
    bool stopped() noexcept;

 private:
    struct Accepting : uring::Completion {
        Acceptor* acceptor = nullptr;
        FileDescriptor socket;
        const BoundAddress* listener = nullptr;
        bool armed = false;
    };

    static void on_accept(uring::Completion& completion, std::int32_t result,
                          std::uint32_t flags) noexcept;
    /// A connection, and what it came in by.
    struct Accepted {
        FileDescriptor socket;
        const BoundAddress* listener;
    };
    bool admit(Accepted& accepted);
    void admit_all() noexcept;
    void note_pause(bool paused) noexcept;

    uring::Ring* ring_ = nullptr;
    std::vector<std::unique_ptr<Accepting>> accepting_;
    std::vector<Accepted> accepted_;
    Parts parts_;
    HandOut hand_out_;
    std::uint64_t paused_at_ns_ = 0;  // 0: accepting
    std::uint64_t retry_at_ns_ = 0;   // not before, after running out of descriptors; 0: at once
    bool stopping_ = false;
};

}  // namespace shardmill::net
