#include "net/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>

#include "net/server.h"
#include "net/tls_session.h"

namespace shardmill::net {
namespace {

using Loaded = std::expected<void, std::string>;

/// What OpenSSL has to say about its last failure.
std::string last_reason() {
    const unsigned long code = ERR_peek_error();
    ERR_clear_error();
    if (code == 0) return "unknown reason";
    char text[256];
    ERR_error_string_n(code, text, sizeof(text));
    return text;
}

std::unexpected<std::string> failed(std::string_view what, std::string_view file) {
    return std::unexpected(fmt::format("Error loading {}: {} : {}", what, file, last_reason()));
}

/// Nobody is there to be asked for the password of a key.
int no_password(char*, int, int, void*) { return 0; }

int verify_flags(int mode) noexcept {
    constexpr int kFlags[] = {
        SSL_VERIFY_NONE,
        SSL_VERIFY_PEER,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE,
    };
    return kFlags[mode & 3];
}

int version_number(int version) noexcept {
    constexpr int kVersions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    return kVersions[version & 3];
}

Loaded load_files(SSL_CTX& context, const TlsSettings& settings) {
    const std::string& key = settings.key.empty() ? settings.chain_cert : settings.key;
    if (SSL_CTX_use_certificate_chain_file(&context, settings.chain_cert.c_str()) != 1) {
        return failed("the certificate chain", settings.chain_cert);
    }
    if (SSL_CTX_use_PrivateKey_file(&context, key.c_str(), settings.key_format) != 1) {
        return failed("the key", key);
    }
    if (SSL_CTX_check_private_key(&context) != 1) {
        return std::unexpected(fmt::format("Error validating the certificate: {}", last_reason()));
    }
    if (settings.ca_cert.empty()) return {};
    const char* const ca = settings.ca_cert.c_str();
    STACK_OF(X509_NAME)* names = nullptr;
    if (SSL_CTX_load_verify_locations(&context, ca, nullptr) != 1 ||
        (names = SSL_load_client_CA_file(ca)) == nullptr) {
        return failed("the CA certificate", settings.ca_cert);
    }
    SSL_CTX_set_client_CA_list(&context, names);
    return {};
}

Loaded apply_rules(SSL_CTX& context, const TlsSettings& settings) {
    SSL_CTX_set_min_proto_version(&context, version_number(settings.min_version));
    SSL_CTX_set_verify(&context, verify_flags(settings.verify_mode), nullptr);
    if (!settings.ciphers.empty() &&
        SSL_CTX_set_cipher_list(&context, settings.ciphers.c_str()) != 1) {
        ERR_clear_error();
        return std::unexpected(
            fmt::format("Error setting the provided cipher(s): {}", settings.ciphers));
    }
    SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION);
    // A connection that is idle holds no buffers.
    SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(
        &context, settings.session_cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_new_cb(&context, [](SSL* session, SSL_SESSION*) {
        static_cast<TlsSession*>(SSL_get_app_data(session))->note_new_session();
        return 0;
    });
    return {};
}

}  // namespace

std::expected<std::shared_ptr<const TlsContext>, std::string> TlsContext::load(
    const TlsSettings& settings) {
    ERR_clear_error();
    SSL_CTX* const native = SSL_CTX_new(TLS_server_method());
    if (native == nullptr) return std::unexpected(fmt::format("Error: {}", last_reason()));
    const std::shared_ptr<const TlsContext> context(new TlsContext(native));
    SSL_CTX_set_default_passwd_cb(native, no_password);
    if (auto loaded = load_files(*native, settings); !loaded) {
        return std::unexpected(std::move(loaded.error()));
    }
    if (auto applied = apply_rules(*native, settings); !applied) {
        return std::unexpected(std::move(applied.error()));
    }
    return context;
}

TlsContext::~TlsContext() { SSL_CTX_free(native_); }

ssl_st* TlsContext::new_session(Security security) const noexcept {
    SSL* const session = SSL_new(native_);
    if (session == nullptr) return nullptr;
    if (security == Security::TlsNoPeer) SSL_set_verify(session, SSL_VERIFY_NONE, nullptr);
    if (security == Security::TlsMutual) {
        SSL_set_verify(session, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    // Otherwise a ticket of a listener that asks for no certificate would open one that does.
    const auto name = static_cast<unsigned char>(security);
    SSL_set_session_id_context(session, &name, sizeof(name));
    SSL_set_accept_state(session);
    return session;
}

}  // namespace shardmill::net
