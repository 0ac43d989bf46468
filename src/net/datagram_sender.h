#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "net/buffer_pool.h"
#include "net/executor.h"
#include "net/output_queue.h"
#include "net/udp_frame.h"
#include "uring/datagram_receiver.h"

namespace shardmill::net {

/// Where a message goes.
struct DatagramTarget {
    int socket;
    uring::SocketAddress peer;
    socklen_t peer_bytes;
    std::uint16_t request_id;
};

/// Cuts messages into datagrams and sends them, many by one system call, messages of different
/// peers together. What a socket does not take at once is dropped. One thread.
class DatagramSender {
 public:
    /// Takes all of `output`, at least one byte and at most what kUdpDatagramsMax datagrams hold.
    void send(const DatagramTarget& target, OutputQueue& output, BufferPool& buffers,
              Executor& executor) noexcept;
    void send(const DatagramTarget& target, std::string_view message) noexcept;

    /// Sends what has been collected.
    void flush() noexcept;

    std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
    /// Datagrams that the system would not take.
    std::uint64_t dropped() const noexcept { return dropped_; }

 private:
    static constexpr unsigned kGroup = 32;

    char* begin_datagram(const DatagramTarget& target, std::uint64_t number,
                         std::uint64_t total) noexcept;
    void end_datagram(std::size_t payload) noexcept;

    int socket_ = -1;  // of what has been collected
    unsigned collected_ = 0;
    std::uint64_t bytes_sent_ = 0;
    std::uint64_t dropped_ = 0;
    std::array<mmsghdr, kGroup> messages_;
    std::array<iovec, kGroup> vectors_;
    std::array<uring::SocketAddress, kGroup> peers_;
    std::array<std::array<char, kUdpDatagramBytes>, kGroup> datagrams_;
};

}  // namespace shardmill::net
