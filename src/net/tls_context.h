#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "net/tls_settings.h"

struct ssl_ctx_st;
struct ssl_st;

namespace shardmill::net {

enum class Security : std::uint8_t;

/// Certificates, key and rules as they were when the files were read. Immutable: reloading makes
/// another one. Any thread; sessions keep what they need of it.
class TlsContext {
 public:
    /// Reads and checks the files: blocks. Unexpected: one line that says which file and why.
    static std::expected<std::shared_ptr<const TlsContext>, std::string> load(
        const TlsSettings& settings);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    /// The server's side of a new session, or nullptr without memory. The caller frees it.
    /// A session can only be resumed under the rules for clients' certificates that it began with.
    ssl_st* new_session(Security security) const noexcept;

 private:
    explicit TlsContext(ssl_ctx_st* native) noexcept : native_(native) {}

    ssl_ctx_st* native_;
};

}  // namespace shardmill::net
