// The part of ReactorIo that secured connections take: between the socket and the command reader,
// and between the output queue and the socket, stands a TlsSession.

#include "net/reactor_io.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace shardmill::net {
namespace {

constexpr std::size_t kRecordBytes = 16u << 10;         // of plaintext, the most TLS allows
constexpr std::size_t kCiphertextBytesMax = 64u << 10;  // made ahead of the socket

/// Moves up to a record of what comes next together. Returns how much that was.
std::size_t gather(OutputQueue& output, char* record) noexcept {
    const msghdr& message = output.message();
    std::size_t gathered = 0;
    for (std::size_t i = 0; i < message.msg_iovlen && gathered < kRecordBytes; ++i) {
        const iovec& part = message.msg_iov[i];
        const std::size_t bytes = std::min(part.iov_len, kRecordBytes - gathered);
        std::memcpy(record + gathered, part.iov_base, bytes);
        gathered += bytes;
    }
    return gathered;
}

}  // namespace

void ReactorIo::begin_session(Connection& connection) noexcept {
    connection.tls = TlsSession::begin(*tls_, connection.listener->security, buffers_, counters_);
    if (connection.tls) return;
    connection.broken = true;  // no memory
    look_after(connection);
}

/// Decrypts into buffers that stay until the batch has run, as received ones do.
void ReactorIo::take_ciphertext(Connection& connection, std::string_view received) noexcept {
    TlsSession& tls = *connection.tls;
    if (connection.closing || connection.end_seen) return;
    tls.feed(received);
    for (bool more = true; more && !connection.closing;) {
        Buffer plain = buffers_.take(kRecordBytes);
        plain.end = static_cast<std::uint32_t>(tls.decrypt(plain.memory, plain.capacity));
        more = plain.room() == 0;
        bytes_read_ += plain.size();
        if (!plain.empty()) reader_->receive(connection, plain.data(), plain.size());
        batch_->retire(plain);
    }
    tls.feed({});
    if (tls.failed()) return fail_session(connection, tls.failure());
    if (tls.ended()) note_end(connection);
}

/// The peer is gone: in the middle of a handshake that is a failure, whatever the manner.
void ReactorIo::note_interruption(Connection& connection) noexcept {
    if (!connection.tls->interrupted()) return;
    counters_.tls_handshake_errors.fetch_add(1, std::memory_order_relaxed);
    fail_session(connection, "connection closed during the handshake");
}

/// Nothing more is read or answered; an alert that says why still goes out.
void ReactorIo::fail_session(Connection& connection, std::string_view reason) noexcept {
    connection.close_reason = CloseReason::Error;
    connection.closing = true;
    executor_.tls_failed(connection.facts(), reason);
    base::log_verbose(1, "TLS failed on connection {}: {}", connection.socket, reason);
}

void ReactorIo::drop_output(Connection& connection) noexcept {
    connection.pending.clear(buffers_, executor_);
    connection.outgoing.clear(buffers_, executor_);
}

/// Turns some of the pending output into ciphertext. False: there is none, or no way to.
bool ReactorIo::encrypt_some(Connection& connection) noexcept {
    TlsSession& tls = *connection.tls;
    OutputQueue& plain = connection.outgoing;
    while (tls.output().size() < kCiphertextBytesMax) {
        if (plain.empty()) plain.swap(connection.pending);
        if (plain.empty()) break;
        std::string_view record;
        if (plain.is_plain()) {
            record = plain.front().substr(0, kRecordBytes);
        } else {
            if (plain_.memory == nullptr) plain_ = buffers_.take(kRecordBytes);
            record = {plain_.memory, gather(plain, plain_.memory)};
        }
        if (!tls.encrypt(record)) {
            fail_session(connection, tls.failure());
            drop_output(connection);
            break;
        }
        note_sent(connection, plain, static_cast<std::int64_t>(record.size()));
    }
    return !tls.output().empty();
}

/// As `send_pending`: at once what the socket takes, the rest through the ring.
void ReactorIo::send_secured(Connection& connection) noexcept {
    TlsSession& tls = *connection.tls;
    if (tls.failed() || tls.closed()) drop_output(connection);
    Buffer& output = tls.output();
    while (encrypt_some(connection)) {
        const ssize_t sent =
            ::send(connection.socket, output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            connection.broken = true;
            return;
        }
        output.begin += static_cast<std::uint32_t>(std::max<ssize_t>(sent, 0));
        if (!output.empty()) {
            std::swap(output, tls.in_flight());
            connection.sending = true;
            const Buffer& rest = tls.in_flight();
            ring_->send(static_cast<SendCompletion&>(connection), connection.socket, rest.data(),
                        rest.size());
            return;
        }
        buffers_.give_back(output);
    }
}

/// `result`: bytes, or a negative errno. The rest follows at the end of the turn.
void ReactorIo::note_secured_sent(Connection& connection, std::int32_t result) noexcept {
    Buffer& rest = connection.tls->in_flight();
    if (result > 0) {
        rest.begin += static_cast<std::uint32_t>(result);
    } else if (result != -EAGAIN && result != -EINTR) {
        connection.broken = true;
    }
    if (!connection.broken && !rest.empty()) {
        connection.sending = true;
        ring_->send(static_cast<SendCompletion&>(connection), connection.socket, rest.data(),
                    rest.size());
        return;
    }
    buffers_.give_back(rest);
    look_after(connection);
}

void ReactorIo::say_goodbye(Connection& connection) noexcept {
    connection.tls->close();
    send_secured(connection);
}

}  // namespace shardmill::net
