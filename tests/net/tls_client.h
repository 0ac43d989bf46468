#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "test_client.h"

namespace shardmill::net::testing {

/// What a TLS client brings along.
struct TlsClientOptions {
    std::string certificate;  // file; empty: none
    std::string key;
    std::string authority;           // file that the server is checked against; empty: not checked
    SSL_SESSION* session = nullptr;  // to be resumed
    int version = 0;                 // TLS1_2_VERSION or such; 0: the best both know
    std::string ciphers;             // up to TLS 1.2
    std::size_t bytes_per_send = 0;  // cuts what is sent into pieces; 0: does not
    bool tickets = true;
};

/// A blocking TLS client whose ciphertext can be cut anywhere. Gives up after ten seconds.
class TlsClient {
 public:
    explicit TlsClient(TestClient connection, const TlsClientOptions& options = {});
    TlsClient(TlsClient&& other) noexcept;
    ~TlsClient();

    /// True once the handshake is through; with TLS 1.3 the server may still refuse our
    /// certificate.
    bool handshake();
    bool send(std::string_view plain);
    std::string receive(std::size_t bytes);
    std::string receive_until(std::string_view end);
    /// Everything up to the end; "<cut>" is added if the server did not say goodbye.
    std::string receive_all();
    std::string ask(std::string_view request, std::string_view end = "\r\n");

    /// Ciphertext of what is said, to be sent by hand through `connection`.
    std::string encrypted(std::string_view plain);
    /// The first message of a handshake.
    std::string client_hello();
    /// Says goodbye.
    void close();

    bool resumed() const { return SSL_session_reused(native_) == 1; }
    /// Common name of the server's certificate.
    std::string server_name() const;
    /// What can be resumed; the caller frees it. With TLS 1.3 after something has been received.
    SSL_SESSION* session() { return SSL_get1_session(native_); }
    TestClient& connection() { return connection_; }
    SSL* native() { return native_; }

 private:
    bool flush();
    bool fill();

    TestClient connection_;
    TlsClientOptions options_;
    SSL_CTX* context_;
    SSL* native_;
    BIO* received_;
    BIO* to_send_;
};

}  // namespace shardmill::net::testing
