#include "tls_client.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace shardmill::net::testing {

TlsClient::TlsClient(TestClient connection, const TlsClientOptions& options)
    : connection_(std::move(connection)), options_(options) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT);
    if (options.version != 0) {
        SSL_CTX_set_min_proto_version(context_, options.version);
        SSL_CTX_set_max_proto_version(context_, options.version);
    }
    if (!options.tickets) SSL_CTX_set_options(context_, SSL_OP_NO_TICKET);
    if (!options.ciphers.empty()) SSL_CTX_set_cipher_list(context_, options.ciphers.c_str());
    if (!options.authority.empty()) {
        SHARDMILL_ASSERT(
            SSL_CTX_load_verify_locations(context_, options.authority.c_str(), nullptr) == 1);
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    }
    if (!options.certificate.empty()) {
        SHARDMILL_ASSERT(SSL_CTX_use_certificate_file(context_, options.certificate.c_str(),
                                                      SSL_FILETYPE_PEM) == 1);
        SHARDMILL_ASSERT(
            SSL_CTX_use_PrivateKey_file(context_, options.key.c_str(), SSL_FILETYPE_PEM) == 1);
    }
    native_ = SSL_new(context_);
    received_ = BIO_new(BIO_s_mem());
    to_send_ = BIO_new(BIO_s_mem());
    SSL_set_bio(native_, received_, to_send_);
    SSL_set_connect_state(native_);
    if (options.session != nullptr) SSL_set_session(native_, options.session);
}

TlsClient::TlsClient(TlsClient&& other) noexcept
    : connection_(std::move(other.connection_)),
      options_(std::move(other.options_)),
      context_(std::exchange(other.context_, nullptr)),
      native_(std::exchange(other.native_, nullptr)),
      received_(other.received_),
      to_send_(other.to_send_) {}

TlsClient::~TlsClient() {
    SSL_free(native_);
    SSL_CTX_free(context_);
    ERR_clear_error();
}

bool TlsClient::flush() {
    char* data = nullptr;
    const long bytes = BIO_get_mem_data(to_send_, &data);
    std::string_view rest(data, static_cast<std::size_t>(bytes));
    const std::size_t piece = options_.bytes_per_send == 0 ? rest.size() : options_.bytes_per_send;
    bool sent = true;
    while (sent && !rest.empty()) {
        const std::size_t now = std::min(piece, rest.size());
        sent = connection_.send(rest.substr(0, now));
        rest.remove_prefix(now);
    }
    BIO_reset(to_send_);
    return sent;
}

bool TlsClient::fill() {
    char chunk[4096];
    ssize_t got = 0;
    do {
        got = ::recv(connection_.socket(), chunk, sizeof(chunk), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    BIO_write(received_, chunk, static_cast<int>(got));
    return true;
}

bool TlsClient::handshake() {
    for (;;) {
        ERR_clear_error();
        const int result = SSL_do_handshake(native_);
        const int error = SSL_get_error(native_, result);
        const bool sent = flush();
        if (result == 1) return sent;
        if (error != SSL_ERROR_WANT_READ || !fill()) return false;
    }
}

std::string TlsClient::encrypted(std::string_view plain) {
    SHARDMILL_ASSERT(SSL_write(native_, plain.data(), static_cast<int>(plain.size())) ==
                     static_cast<int>(plain.size()));
    char* data = nullptr;
    const long bytes = BIO_get_mem_data(to_send_, &data);
    std::string text(data, static_cast<std::size_t>(bytes));
    BIO_reset(to_send_);
    return text;
}

std::string TlsClient::client_hello() {
    SSL_do_handshake(native_);
    char* data = nullptr;
    const long bytes = BIO_get_mem_data(to_send_, &data);
    std::string text(data, static_cast<std::size_t>(bytes));
    BIO_reset(to_send_);
    return text;
}

bool TlsClient::send(std::string_view plain) {
    if (plain.empty()) return true;
    std::size_t written = 0;
    if (SSL_write_ex(native_, plain.data(), plain.size(), &written) != 1) return false;
    return flush();
}

std::string TlsClient::receive(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
        std::size_t got = 0;
        ERR_clear_error();
        const int result = SSL_read_ex(native_, text.data() + have, bytes - have, &got);
        const int error = SSL_get_error(native_, result);
        flush();
        if (result == 1) {
            have += got;
        } else if (error != SSL_ERROR_WANT_READ || !fill()) {
            break;
        }
    }
    text.resize(have);
    return text;
}

std::string TlsClient::receive_until(std::string_view end) {
    std::string text;
    while (!text.ends_with(end)) {
        const std::string next = receive(1);
        if (next.empty()) break;
        text += next;
    }
    return text;
}

std::string TlsClient::receive_all() {
    std::string text;
    for (;;) {
        const std::string next = receive(1);
        if (next.empty()) break;
        text += next;
    }
    if ((SSL_get_shutdown(native_) & SSL_RECEIVED_SHUTDOWN) == 0) text += "<cut>";
    return text;
}

std::string TlsClient::ask(std::string_view request, std::string_view end) {
    return send(request) ? receive_until(end) : std::string("<not sent>");
}

void TlsClient::close() {
    SSL_shutdown(native_);
    flush();
}

std::string TlsClient::server_name() const {
    X509* certificate = SSL_get0_peer_certificate(native_);
    if (certificate == nullptr) return {};
    char name[128] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof(name));
    return name;
}

}  // namespace shardmill::net::testing
