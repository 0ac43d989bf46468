#include "net/datagram_sender.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/assert.h"

namespace shardmill::net {
namespace {

/// Moves up to `room` bytes off the front of `output`. Returns how many.
std::size_t take_front(OutputQueue& output, char* out, std::size_t room, BufferPool& buffers,
                       Executor& executor) noexcept {
    std::size_t taken = 0;
    while (taken < room && !output.empty()) {
        std::size_t copied = 0;
        if (output.is_plain()) {
            copied = std::min(room - taken, output.front().size());
            std::memcpy(out + taken, output.front().data(), copied);
        } else {
            const msghdr& message = output.message();
            for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
                const iovec& piece = message.msg_iov[i];
                const std::size_t bytes = std::min(room - taken - copied, piece.iov_len);
                std::memcpy(out + taken + copied, piece.iov_base, bytes);
                copied += bytes;
            }
        }
        output.sent(copied, buffers, executor);
        taken += copied;
    }
    return taken;
}

}  // namespace

/// Returns where the payload goes.
char* DatagramSender::begin_datagram(const DatagramTarget& target, std::uint64_t number,
                                     std::uint64_t total) noexcept {
    if (collected_ == kGroup || (collected_ != 0 && socket_ != target.socket)) flush();
    socket_ = target.socket;
    peers_[collected_] = target.peer;
    msghdr& header = messages_[collected_].msg_hdr;
    header = {};
    header.msg_name = &peers_[collected_];
    header.msg_namelen = target.peer_bytes;
    header.msg_iov = &vectors_[collected_];
    header.msg_iovlen = 1;
    char* datagram = datagrams_[collected_].data();
    write_udp_frame(datagram, {.request_id = target.request_id,
                               .number = static_cast<std::uint16_t>(number),
                               .total = static_cast<std::uint16_t>(total)});
    return datagram + kUdpFrameBytes;
}

void DatagramSender::end_datagram(std::size_t payload) noexcept {
    vectors_[collected_] = {datagrams_[collected_].data(), kUdpFrameBytes + payload};
    ++collected_;
}

void DatagramSender::send(const DatagramTarget& target, OutputQueue& output, BufferPool& buffers,
                          Executor& executor) noexcept {
    const std::uint64_t total = udp_datagrams(output.bytes());
    SHARDMILL_ASSERT(total > 0 && total <= kUdpDatagramsMax);
    for (std::uint64_t number = 0; number < total; ++number) {
        char* payload = begin_datagram(target, number, total);
        end_datagram(take_front(output, payload, kUdpPayloadBytes, buffers, executor));
    }
}

void DatagramSender::send(const DatagramTarget& target, std::string_view message) noexcept {
    SHARDMILL_ASSERT(message.size() <= kUdpPayloadBytes);
    char* payload = begin_datagram(target, 0, 1);
    std::memcpy(payload, message.data(), message.size());
    end_datagram(message.size());
}

void DatagramSender::flush() noexcept {
    unsigned done = 0;
    while (done < collected_) {
        const int sent =
            ::sendmmsg(socket_, &messages_[done], collected_ - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        for (int i = 0; i < sent; ++i)
            bytes_sent_ += messages_[done + static_cast<unsigned>(i)].msg_len;
        if (sent > 0) {
            done += static_cast<unsigned>(sent);
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            // The socket is full: so it will be for the others.
            dropped_ += collected_ - done;
            done = collected_;
        } else if (errno != EINTR) {
            ++dropped_;  // this one cannot be sent to its peer
            ++done;
        }
    }
    collected_ = 0;
}

}  // namespace shardmill::net
