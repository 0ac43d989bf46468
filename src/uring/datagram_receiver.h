#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "uring/buffer_ring.h"
#include "uring/ring.h"

namespace shardmill::uring {

/// An IPv4 or IPv6 address with its port.
union SocketAddress {
    sockaddr generic;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

/// What has come in one datagram. The bytes lie in `buffer`, which is the receiver's to recycle.
struct Datagram {
    SocketAddress peer;
    socklen_t peer_bytes;  // 0: unknown
    char* data;
    std::size_t bytes;
    std::uint16_t buffer;
    bool truncated;  // it did not fit into a buffer
};

/// Receives datagrams of one socket into provided buffers: by one operation that repeats itself
/// where the kernel has that, else by a few plain ones at a time. On the ring's thread; must be
/// `idle` when it is destroyed or its ring ends.
class DatagramReceiver {
 public:
    class Sink {
     public:
        virtual ~Sink() = default;
        /// Called while the ring is reaped. Empty datagrams may be passed over.
        virtual void on_datagram(const Datagram& datagram) noexcept = 0;
    };

    /// Buffers hold `kOverhead` bytes besides the datagram.
    DatagramReceiver(Ring& ring, const BufferRing& buffers, int socket, Sink& sink);
    ~DatagramReceiver();
    DatagramReceiver(const DatagramReceiver&) = delete;
    DatagramReceiver& operator=(const DatagramReceiver&) = delete;

    /// Starts receiving, again where that has ended: once a turn, after buffers were given back.
    void arm() noexcept;
    /// Ends receiving, for good.
    void cancel() noexcept;
    /// No operation is under way.
    bool idle() const noexcept;

    static constexpr std::size_t kOverhead = 64;

 private:
    struct Slot : Completion {
        DatagramReceiver* receiver = nullptr;
        msghdr header{};
        iovec vector{};
        SocketAddress peer{};
        bool armed = false;
    };

    static void on_complete(Completion& completion, std::int32_t result,
                            std::uint32_t flags) noexcept;
    Datagram unpack_repeated(Slot& slot, char* data, std::size_t bytes) const noexcept;

    Ring& ring_;
    const BufferRing& buffers_;
    Sink& sink_;
    const int socket_;
    const bool repeats_;
    bool cancelled_ = false;
    std::vector<Slot> slots_;  // never resized
};

}  // namespace shardmill::uring
