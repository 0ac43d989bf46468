#include "net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "net/tls_context.h"

namespace shardmill::net {

/// The "socket" that OpenSSL sees: reads what was fed, writes to `output_`, never blocks.
struct TlsSession::Io {
    static TlsSession& session_of(BIO* bio) noexcept {
        return *static_cast<TlsSession*>(BIO_get_data(bio));
    }

    static int read(BIO* bio, char* out, int room) {
        std::string_view& received = session_of(bio).received_;
        BIO_clear_retry_flags(bio);
        if (received.empty()) {
            BIO_set_retry_read(bio);
            return -1;
        }
        const std::size_t bytes = std::min(received.size(), static_cast<std::size_t>(room));
        std::memcpy(out, received.data(), bytes);
        received.remove_prefix(bytes);
        return static_cast<int>(bytes);
    }

    static int write(BIO* bio, const char* data, int bytes) {
        TlsSession& session = session_of(bio);
        BIO_clear_retry_flags(bio);
        session.pool_.append(session.output_, {data, static_cast<std::size_t>(bytes)});
        return bytes;
    }

    static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH; }

    static BIO_METHOD* make_method() {
        BIO_METHOD* const method =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
        if (method == nullptr) return nullptr;
        BIO_meth_set_read(method, read);
        BIO_meth_set_write(method, write);
        BIO_meth_set_ctrl(method, control);
        return method;
    }

    static BIO* open(TlsSession& session) {
        static BIO_METHOD* const method = make_method();
        BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
        if (bio == nullptr) return nullptr;
        BIO_set_data(bio, &session);
        BIO_set_init(bio, 1);
        return bio;
    }
};

std::unique_ptr<TlsSession> TlsSession::begin(const TlsContext& context, Security security,
                                              BufferPool& pool, ConnectionCounters& counters) {
    std::unique_ptr<TlsSession> session(new TlsSession(pool, counters));
    session->native_ = context.new_session(security);
    BIO* const bio = session->native_ == nullptr ? nullptr : Io::open(*session);
    if (bio == nullptr) {
        ERR_clear_error();
        return nullptr;
    }
    SSL_set_bio(session->native_, bio, bio);
    SSL_set_app_data(session->native_, session.get());
    return session;
}

TlsSession::~TlsSession() {
    SSL_free(native_);
    pool_.give_back(output_);
    pool_.give_back(in_flight_);
}

void TlsSession::feed(std::string_view received) noexcept {
    received_ = received;
    fed_ = true;
}

std::size_t TlsSession::decrypt(char* out, std::size_t room) noexcept {
    std::size_t filled = 0;
    while (filled < room && !ended_ && !failed()) {
        ERR_clear_error();
        std::size_t bytes = 0;
        const int result = SSL_read_ex(native_, out + filled, room - filled, &bytes);
        if (!established_) established_ = SSL_is_init_finished(native_) == 1;
        if (result == 1) {
            filled += bytes;
            continue;
        }
        switch (SSL_get_error(native_, result)) {
            case SSL_ERROR_WANT_READ:
            case SSL_ERROR_WANT_WRITE:  // cannot be: writing always succeeds
                return filled;
            case SSL_ERROR_ZERO_RETURN:
                ended_ = true;
                break;
            default:
                note_failure();
        }
    }
    return filled;
}

bool TlsSession::encrypt(std::string_view plain) noexcept {
    if (failed()) return false;
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(native_, plain.data(), plain.size(), &written);
    if (result == 1 && written == plain.size()) return true;
    note_failure();
    return false;
}

void TlsSession::note_failure() noexcept {
    auto& counter = established_ ? counters_.tls_proto_errors : counters_.tls_handshake_errors;
    counter.fetch_add(1, std::memory_order_relaxed);
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    failure_ = reason != nullptr ? reason : "connection broken";
    ERR_clear_error();
}

void TlsSession::close() noexcept {
    if (closed_ || failed() || !established_) return;
    closed_ = true;
    ERR_clear_error();
    SSL_shutdown(native_);
    ERR_clear_error();
}

void TlsSession::note_new_session() noexcept {
    counters_.tls_new_sessions.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace shardmill::net
