#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/socket.h"

namespace shardmill::net::testing {

/// A blocking client. Every call gives up after ten seconds, so that a broken server fails a test
/// instead of hanging it.
class TestClient {
 public:
    static TestClient tcp(std::uint16_t port, const char* address = "127.0.0.1");
    static TestClient unix_socket(const std::string& path);

    bool connected() const noexcept { return socket_.valid(); }
    int socket() const noexcept { return socket_.get(); }

    /// True if all was taken.
    bool send(std::string_view bytes);
    /// Exactly `bytes` bytes, or what came before the end.
    std::string receive(std::size_t bytes);
    /// Everything up to and with `end`.
    std::string receive_until(std::string_view end);
    /// Everything up to the server's close; "<reset>" is added if that was not an orderly one.
    std::string receive_all();
    /// One request, one reply of known length.
    std::string ask(std::string_view request, std::string_view end = "\r\n");

    /// No more requests; replies can still be read.
    void half_close();
    /// Gone without a trace: the server sees a reset.
    void vanish();
    void close() { socket_.reset(); }

 private:
    explicit TestClient(FileDescriptor socket);
    FileDescriptor socket_;
};

}  // namespace shardmill::net::testing
