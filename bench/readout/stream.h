#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shardmill::readout {

/// A blocking connection to 127.0.0.1 that collects what it sends and counts what it reads. Throws
/// std::system_error, or std::runtime_error when the server closes.
class Stream {
 public:
    explicit Stream(std::uint16_t port);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    std::string& output() noexcept { return output_; }
    void flush();

    /// One line without its CR LF; valid until the next call.
    std::string_view line();
    /// That many bytes and the CR LF behind them; valid until the next call. 64 readable bytes
    /// follow, as JSON parsers like it.
    std::string_view block(std::size_t bytes);

    std::uint64_t received() const noexcept { return received_; }
    std::uint64_t sent() const noexcept { return sent_; }

 private:
    void fill(std::size_t wanted);

    int socket_ = -1;
    std::string output_;
    std::string buffer_;
    std::size_t at_ = 0;   // read so far
    std::size_t end_ = 0;  // filled so far
    std::uint64_t received_ = 0;
    std::uint64_t sent_ = 0;
};

}  // namespace shardmill::readout
