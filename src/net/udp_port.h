#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/batch.h"
#include "net/buffer_pool.h"
#include "net/command_reader.h"
#include "net/connection_table.h"
#include "net/datagram_sender.h"
#include "net/executor.h"
#include "net/server.h"
#include "net/socket.h"
#include "uring/buffer_ring.h"
#include "uring/datagram_receiver.h"
#include "uring/ring.h"

namespace shardmill::net {

/// A socket of one reactor.
struct UdpSocket {
    FileDescriptor socket;
    protocol::Dialect dialect = protocol::Dialect::Auto;
};

/// A reactor's share of UDP. Each datagram is a request of its own: it is read by a connection that
/// lives for as long as its replies take, in one of a bounded number of places, and what is not
/// complete in it is dropped. Its connections are in nobody's lists: ReactorIo, whose turns this is
/// part of, does not see them. On the reactor's thread.
class UdpPort {
 public:
    struct Parts {
        Executor& executor;
        BufferPool& buffers;
        CommandReader& reader;
        ConnectionCounters& counters;
    };

    UdpPort(const ServerConfig& config, std::uint32_t reactor, std::vector<UdpSocket> sockets);
    ~UdpPort();

    /// Once, before the first turn.
    std::expected<void, std::string> begin(uring::Ring& ring, const Parts& parts);

    /// Parses what has come, before the turn's batch runs.
    void take_arrivals() noexcept;
    /// Gives the receive buffers back, after the batch has run.
    void recycle() noexcept;
    /// Sends the replies that are complete.
    void finish_turn() noexcept;

    /// Whether `id` names a connection of UDP; `find`: nullptr if that one is gone.
    static bool owns(ConnectionId id) noexcept { return id.slot >= kFirstSlot; }
    Connection* find(ConnectionId id) noexcept { return table_.find(id); }
    /// Output of a deferred operation before its answer. False: there is nobody to send it to.
    bool push(ConnectionId id, std::string_view bytes) noexcept;

    /// Takes no more requests, and gives up those that wait for somebody else.
    void stop() noexcept;
    /// Nothing is under way any more.
    bool stopped() const noexcept;
    /// Once stopped, while the ring is still there.
    void end() noexcept;

    std::uint64_t bytes_received() const noexcept { return bytes_received_; }
    std::uint64_t bytes_sent() const noexcept { return sender_->bytes_sent(); }

    /// Connections of UDP have slots from here on, to be told from all others.
    static constexpr std::uint32_t kFirstSlot = 1u << 31;

 private:
    /// What is known of a request besides its connection.
    struct Exchange {
        Connection* connection = nullptr;
        DatagramTarget target{};
        std::size_t received = 0;  // bytes of the datagram
        bool trusted = false;
        bool waiting = false;  // for an answer that comes later
        // Of the first packet, for a binary error; the text protocol needs nothing.
        std::uint8_t opcode = 0;
        std::uint32_t opaque = 0;
    };
    struct Arrival {
        std::size_t socket;  // its number
        uring::Datagram datagram;
    };
    /// Hands on what one socket receives.
    struct Receiving final : uring::DatagramReceiver::Sink {
        void on_datagram(const uring::Datagram& datagram) noexcept override {
            port->arrivals_.push_back({number, datagram});
        }
        UdpPort* port = nullptr;
        std::size_t number = 0;
        std::unique_ptr<uring::DatagramReceiver> receiver;
    };

    void take(const Arrival& arrival) noexcept;
    bool is_trusted(const uring::Datagram& datagram) const noexcept;
    void begin_exchange(const Arrival& arrival, std::uint16_t request_id) noexcept;
    bool settle(Exchange& exchange) noexcept;
    bool may_wait(Exchange& exchange) noexcept;
    void reply(Exchange& exchange) noexcept;
    void refuse(const Exchange& exchange) noexcept;
    bool may_send(const Exchange& exchange, std::uint64_t bytes) const noexcept;
    void close(Exchange& exchange) noexcept;
    void publish_counters() noexcept;

    const ServerConfig& config_;
    std::vector<UdpSocket> sockets_;
    std::optional<Parts> parts_;  // from `begin` on
    std::unique_ptr<uring::BufferRing> receive_buffers_;
    std::vector<std::unique_ptr<Receiving>> receiving_;
    std::unique_ptr<DatagramSender> sender_;
    ConnectionTable table_;
    std::vector<Arrival> arrivals_;
    std::vector<Exchange> active_;
    std::uint32_t waiting_ = 0;
    bool stopping_ = false;

    std::uint64_t bytes_received_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t dropped_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace shardmill::net
