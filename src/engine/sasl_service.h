#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "net/executor.h"

namespace shardmill::engine {

/// Authenticates clients of the binary protocol by Cyrus SASL, set up as memcached sets it up: the
/// application is called "memcached", SASL_CONF_PATH names where its configuration is, and
/// MEMCACHED_SASL_PWDB, if set, a file of lines `user:password` or `user@host:password` that
/// plain-text mechanisms are checked against. One at a time in a process. Cyrus may wait for files
/// and other programs: on the control thread only.
class SaslService {
 public:
    /// Unexpected: what Cyrus does not like, and what to do.
    static std::expected<std::unique_ptr<SaslService>, std::string> open();
    ~SaslService();
    SaslService(const SaslService&) = delete;
    SaslService& operator=(const SaslService&) = delete;

    enum class Outcome : std::uint8_t { Accepted, Continue, Failed };
    struct Answer {
        Outcome outcome;
        std::string body;  // Accepted: none; Continue: what the client is to be told
    };

    /// Names of the mechanisms, separated by spaces.
    Answer list_mechanisms();
    /// Begins an exchange; one that is under way on this connection is forgotten.
    Answer start(net::ConnectionId connection, std::string_view mechanism,
                 std::string_view response);
    /// Goes on with it. Without one: Failed.
    Answer step(net::ConnectionId connection, std::string_view response);
    /// The connection is gone.
    void forget(net::ConnectionId connection) noexcept;

    /// Exchanges under way.
    std::size_t exchanges() const noexcept;

 private:
    struct Impl;
    explicit SaslService(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::engine
