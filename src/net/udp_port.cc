#include "net/udp_port.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "base/byte_order.h"
#include "net/udp_frame.h"
#include "protocol/binary_parser.h"

namespace shardmill::net {
namespace {

constexpr std::uint16_t kBufferGroup = 1;
/// The longest datagram there can be.
constexpr std::uint32_t kReceiveBytes = (64u << 10) + uring::DatagramReceiver::kOverhead;
/// What a datagram costs on the wire besides its bytes: headers of IPv6 and UDP.
constexpr std::uint64_t kWireBytes = 48;

constexpr std::string_view kTooLong = "SERVER_ERROR too long\r\n";
constexpr std::size_t kOpcodeAt = 1;
constexpr std::size_t kOpaqueAt = 12;

std::span<const std::uint8_t> address_of(const uring::Datagram& datagram) noexcept {
    const uring::SocketAddress& peer = datagram.peer;
    const auto bytes = [](const auto& address) {
        return std::span(reinterpret_cast<const std::uint8_t*>(&address), sizeof(address));
    };
    if (datagram.peer_bytes < sizeof(peer.v4)) return {};
    if (peer.generic.sa_family == AF_INET) return bytes(peer.v4.sin_addr);
    if (datagram.peer_bytes < sizeof(peer.v6)) return {};
    return bytes(peer.v6.sin6_addr);
}

using BinaryError = std::array<char, protocol::kBinaryHeaderBytes>;

/// A header alone, which fits wherever a request has fitted.
BinaryError binary_error(std::uint8_t opcode, std::uint32_t opaque) noexcept {
    BinaryError packet{};
    packet[0] = static_cast<char>(protocol::kReplyMagic);
    packet[kOpcodeAt] = static_cast<char>(opcode);
    base::store_big(packet.data() + 6,
                    static_cast<std::uint16_t>(protocol::BinaryStatus::TooLarge));
    std::memcpy(packet.data() + kOpaqueAt, &opaque, sizeof(opaque));
    return packet;
}

}  // namespace

UdpPort::UdpPort(const ServerConfig& config, std::uint32_t reactor, std::vector<UdpSocket> sockets)
    : config_(config),
      sockets_(std::move(sockets)),
      sender_(std::make_unique<DatagramSender>()),
      table_(reactor, kFirstSlot) {
    arrivals_.reserve(config_.datagram_buffers);
    active_.reserve(config_.datagrams_max);
}

UdpPort::~UdpPort() = default;

std::expected<void, std::string> UdpPort::begin(uring::Ring& ring, const Parts& parts) {
    auto buffers =
        uring::BufferRing::open(ring, kBufferGroup, config_.datagram_buffers, kReceiveBytes);
    if (!buffers) return std::unexpected(buffers.error());
    receive_buffers_ = std::move(*buffers);
    parts_.emplace(parts);
    for (std::size_t number = 0; number < sockets_.size(); ++number) {
        auto receiving = std::make_unique<Receiving>();
        receiving->port = this;
        receiving->number = number;
        receiving->receiver = std::make_unique<uring::DatagramReceiver>(
            ring, *receive_buffers_, sockets_[number].socket.get(), *receiving);
        receiving_.push_back(std::move(receiving));
    }
    for (auto& receiving : receiving_) receiving->receiver->arm();
    return {};
}

void UdpPort::take_arrivals() noexcept {
    for (const Arrival& arrival : arrivals_) take(arrival);
}

void UdpPort::take(const Arrival& arrival) noexcept {
    const uring::Datagram& datagram = arrival.datagram;
    bytes_received_ += datagram.bytes;
    ++requests_;
    const auto frame =
        datagram.truncated ? std::nullopt : parse_udp_frame({datagram.data, datagram.bytes});
    if (!frame || stopping_ || active_.size() >= config_.datagrams_max) {
        ++dropped_;
        return;
    }
    begin_exchange(arrival, frame->request_id);
}

bool UdpPort::is_trusted(const uring::Datagram& datagram) const noexcept {
    const auto address = address_of(datagram);
    return std::ranges::any_of(config_.udp_trusted, [&](const base::Network& network) {
        return network.contains(address);
    });
}

void UdpPort::begin_exchange(const Arrival& arrival, std::uint16_t request_id) noexcept {
    const uring::Datagram& datagram = arrival.datagram;
    const UdpSocket& socket = sockets_[arrival.socket];
    Connection& connection = table_.open(socket.socket.get());
    connection.datagram = true;
    connection.in_dirty = true;  // never in ReactorIo's list
    connection.authenticated = true;
    connection.dialect = socket.dialect;
    connection.operations_max = config_.turn_requests_max;
    connection.operations_now = config_.turn_requests_max;

    Exchange& exchange = active_.emplace_back();
    exchange.connection = &connection;
    exchange.target = {.socket = socket.socket.get(),
                       .peer = datagram.peer,
                       .peer_bytes = datagram.peer_bytes,
                       .request_id = request_id};
    exchange.received = datagram.bytes;
    exchange.trusted = is_trusted(datagram);
    char* payload = datagram.data + kUdpFrameBytes;
    const std::size_t bytes = datagram.bytes - kUdpFrameBytes;
    if (bytes >= protocol::kBinaryHeaderBytes) {
        exchange.opcode = static_cast<std::uint8_t>(payload[kOpcodeAt]);
        std::memcpy(&exchange.opaque, payload + kOpaqueAt, sizeof(exchange.opaque));
    }
    parts_->reader.receive(connection, payload, bytes);
}

void UdpPort::recycle() noexcept {
    for (const Arrival& arrival : arrivals_) receive_buffers_->recycle(arrival.datagram.buffer);
    receive_buffers_->publish();
    arrivals_.clear();
}

void UdpPort::finish_turn() noexcept {
    for (std::size_t i = 0; i < active_.size();) {
        if (!settle(active_[i])) {
            ++i;
            continue;
        }
        active_[i] = active_.back();
        active_.pop_back();
    }
    sender_->flush();
    for (auto& receiving : receiving_) receiving->receiver->arm();
    publish_counters();
}

/// True: the exchange is over and its connection closed.
bool UdpPort::settle(Exchange& exchange) noexcept {
    Connection& connection = *exchange.connection;
    connection.turn_operations = 0;
    connection.turn_input = 0;
    connection.turn_output = 0;
    if (!connection.deferred && std::exchange(exchange.waiting, false)) --waiting_;
    if (connection.in_runnable) return false;  // comes by once more in the next turn
    if (!connection.deferred) {
        reply(exchange);
    } else if (may_wait(exchange)) {
        return false;
    } else {
        ++dropped_;
        parts_->executor.connection_closed(connection.facts(), CloseReason::Error);
    }
    close(exchange);
    return true;
}

/// Answers that come later must not take all the places: half of them are for the others.
bool UdpPort::may_wait(Exchange& exchange) noexcept {
    const Connection& connection = *exchange.connection;
    if (stopping_ || connection.endless || connection.broken) return false;
    if (exchange.waiting) return true;
    if (waiting_ >= config_.datagrams_max / 2) return false;
    exchange.waiting = true;
    ++waiting_;
    return true;
}

/// Whoever is not trusted may be somebody else, in whose name the request was sent: then nothing is
/// gained by it.
bool UdpPort::may_send(const Exchange& exchange, std::uint64_t bytes) const noexcept {
    if (exchange.trusted) return true;
    const std::uint64_t datagrams = udp_datagrams(bytes);
    const std::uint64_t cost = bytes + datagrams * kUdpFrameBytes + (datagrams - 1) * kWireBytes;
    return cost <= exchange.received;
}

void UdpPort::reply(Exchange& exchange) noexcept {
    Connection& connection = *exchange.connection;
    const std::uint64_t bytes = connection.output_bytes();
    if (bytes == 0) return;
    // A choked connection has not come to the end of its requests, and never will.
    if (connection.choked || udp_datagrams(bytes) > kUdpDatagramsMax ||
        !may_send(exchange, bytes)) {
        return refuse(exchange);
    }
    sender_->send(exchange.target, connection.pending, parts_->buffers, parts_->executor);
}

void UdpPort::refuse(const Exchange& exchange) noexcept {
    ++refused_;
    const BinaryError packet = binary_error(exchange.opcode, exchange.opaque);
    const bool binary = exchange.connection->dialect == protocol::Dialect::Binary;
    const std::string_view message =
        binary ? std::string_view(packet.data(), packet.size()) : kTooLong;
    if (may_send(exchange, message.size())) sender_->send(exchange.target, message);
}

void UdpPort::close(Exchange& exchange) noexcept {
    Connection& connection = *exchange.connection;
    if (exchange.waiting) --waiting_;
    parts_->reader.drop(connection);
    connection.pending.clear(parts_->buffers, parts_->executor);
    table_.close(connection);
}

bool UdpPort::push(ConnectionId id, std::string_view bytes) noexcept {
    Connection* connection = table_.find(id);
    if (connection == nullptr || connection->broken || !connection->deferred) return false;
    // A message is sent when it is complete, and until then it takes memory.
    connection->broken = connection->output_bytes() + bytes.size() > config_.output_bytes_max;
    if (!connection->broken) connection->pending.append(parts_->buffers, bytes);
    return !connection->broken;
}

void UdpPort::stop() noexcept {
    stopping_ = true;
    for (auto& receiving : receiving_) receiving->receiver->cancel();
}

bool UdpPort::stopped() const noexcept {
    return active_.empty() && std::ranges::all_of(receiving_, [](const auto& receiving) {
               return receiving->receiver->idle();
           });
}

void UdpPort::end() noexcept {
    receiving_.clear();
    receive_buffers_.reset();
    sockets_.clear();
}

void UdpPort::publish_counters() noexcept {
    const auto set = [](std::atomic<std::uint64_t>& counter, std::uint64_t value) {
        counter.store(value, std::memory_order_relaxed);
    };
    set(parts_->counters.udp_requests, requests_);
    set(parts_->counters.udp_dropped, dropped_ + sender_->dropped());
    set(parts_->counters.udp_refused, refused_);
}

}  // namespace shardmill::net
