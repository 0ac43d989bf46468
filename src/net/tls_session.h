#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/buffer_pool.h"
#include "net/executor.h"

struct ssl_st;

namespace shardmill::net {

class TlsContext;
enum class Security : std::uint8_t;

/// The server's side of one TLS connection, between what its socket receives and sends and what the
/// client says and is told. No I/O, no thread: what OpenSSL would read and write is handed in and
/// picked up here. One thread.
class TlsSession {
 public:
    /// nullptr without memory. `pool` and `counters` (of this reactor) outlive the session.
    static std::unique_ptr<TlsSession> begin(const TlsContext& context, Security security,
                                             BufferPool& pool, ConnectionCounters& counters);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    /// Received bytes, to be taken in by `decrypt` before the next ones come; they are not copied.
    void feed(std::string_view received) noexcept;
    /// Plaintext of what was fed, at most `room` bytes (more than 0). 0: all of it has been taken
    /// in, or the session has ended or failed. May produce output, as handshakes do.
    std::size_t decrypt(char* out, std::size_t room) noexcept;
    /// Turns plaintext into output. False: the session has failed.
    bool encrypt(std::string_view plain) noexcept;
    /// Says goodbye, once; not to a peer that has not finished its handshake.
    void close() noexcept;

    /// The handshake is through.
    bool established() const noexcept { return established_; }
    /// The peer has said goodbye.
    bool ended() const noexcept { return ended_; }
    /// Goodbye has been said: nothing can be encrypted any more.
    bool closed() const noexcept { return closed_; }
    /// Broken for good; what is in `output` tells the peer why.
    bool failed() const noexcept { return !failure_.empty(); }
    /// Why; empty unless failed.
    const std::string& failure() const noexcept { return failure_; }
    /// The connection broke off. True if that interrupted a handshake that had begun.
    bool interrupted() const noexcept { return fed_ && !established_ && !failed(); }

    /// What is to be sent, and what is being sent: that one stays where it is.
    Buffer& output() noexcept { return output_; }
    Buffer& in_flight() noexcept { return in_flight_; }

    /// A session that can be resumed has been made. For TlsContext.
    void note_new_session() noexcept;

 private:
    struct Io;  // what OpenSSL calls

    TlsSession(BufferPool& pool, ConnectionCounters& counters) noexcept
        : pool_(pool), counters_(counters) {}
    void note_failure() noexcept;

    BufferPool& pool_;
    ConnectionCounters& counters_;
    ssl_st* native_ = nullptr;
    std::string_view received_;
    Buffer output_;
    Buffer in_flight_;
    std::string failure_;
    bool fed_ = false;
    bool established_ = false;
    bool ended_ = false;
    bool closed_ = false;
};

}  // namespace shardmill::net
