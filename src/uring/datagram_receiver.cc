#include "uring/datagram_receiver.h"

#include <liburing.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace shardmill::uring {
namespace {

/// Operations under way at a time where they do not repeat themselves.
constexpr std::size_t kPlainSlots = 16;

static_assert(sizeof(io_uring_recvmsg_out) + sizeof(SocketAddress) <= DatagramReceiver::kOverhead);

}  // namespace

DatagramReceiver::DatagramReceiver(Ring& ring, const BufferRing& buffers, int socket, Sink& sink)
    : ring_(ring),
      buffers_(buffers),
      sink_(sink),
      socket_(socket),
      repeats_(ring.features().has(Feature::MultishotReceiveMessage)),
      slots_(repeats_ ? 1 : kPlainSlots) {
    for (Slot& slot : slots_) {
        slot.handler = on_complete;
        slot.receiver = this;
    }
}

DatagramReceiver::~DatagramReceiver() { SHARDMILL_ASSERT(idle()); }

void DatagramReceiver::arm() noexcept {
    if (cancelled_) return;
    for (Slot& slot : slots_) {
        if (std::exchange(slot.armed, true)) continue;
        slot.header = {};
        slot.header.msg_namelen = sizeof(SocketAddress);
        if (!repeats_) {
            slot.vector = {nullptr, buffers_.buffer_bytes()};
            slot.header.msg_name = &slot.peer;
            slot.header.msg_iov = &slot.vector;
            slot.header.msg_iovlen = 1;
        }
        ring_.receive_message(slot, socket_, slot.header, buffers_.group());
    }
}

void DatagramReceiver::cancel() noexcept {
    if (std::exchange(cancelled_, true)) return;
    for (Slot& slot : slots_) {
        if (slot.armed) ring_.cancel(slot);
    }
}

bool DatagramReceiver::idle() const noexcept {
    return std::ranges::none_of(slots_, [](const Slot& slot) { return slot.armed; });
}

/// What a repeating operation has put into a buffer: a description, the peer, the bytes.
Datagram DatagramReceiver::unpack_repeated(Slot& slot, char* data,
                                           std::size_t bytes) const noexcept {
    Datagram datagram{};
    auto* out = io_uring_recvmsg_validate(data, static_cast<int>(bytes), &slot.header);
    if (out == nullptr) {
        datagram.truncated = true;
        return datagram;
    }
    datagram.peer_bytes =
        std::min<socklen_t>(static_cast<socklen_t>(out->namelen), sizeof(SocketAddress));
    std::memcpy(&datagram.peer, io_uring_recvmsg_name(out), datagram.peer_bytes);
    datagram.data = static_cast<char*>(io_uring_recvmsg_payload(out, &slot.header));
    datagram.bytes = io_uring_recvmsg_payload_length(out, static_cast<int>(bytes), &slot.header);
    datagram.truncated = (out->flags & MSG_TRUNC) != 0;
    return datagram;
}

void DatagramReceiver::on_complete(Completion& completion, std::int32_t result,
                                   std::uint32_t flags) noexcept {
    auto& slot = static_cast<Slot&>(completion);
    DatagramReceiver& self = *slot.receiver;
    if (!more(flags)) slot.armed = false;
    // Errors need no care: no buffers, a peer that is not there any more. The next `arm` goes on.
    if (!has_buffer(flags)) return;
    const std::uint16_t buffer = buffer_id(flags);
    char* data = self.buffers_.data(buffer);
    Datagram datagram{};
    if (result < 0) {
        datagram.truncated = true;
    } else if (self.repeats_) {
        datagram = self.unpack_repeated(slot, data, static_cast<std::size_t>(result));
    } else {
        datagram = {
            .peer = slot.peer,
            .peer_bytes = std::min<socklen_t>(slot.header.msg_namelen, sizeof(SocketAddress)),
            .data = data,
            .bytes = static_cast<std::size_t>(result),
            .buffer = buffer,
            .truncated = (slot.header.msg_flags & MSG_TRUNC) != 0};
    }
    datagram.buffer = buffer;
    self.sink_.on_datagram(datagram);
}

}  // namespace shardmill::uring
