#include "readout/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace shardmill::readout {

namespace {

constexpr std::size_t kBufferBytes = 4u << 20;
constexpr std::size_t kPadding = 64;

void check(bool good, const char* what) {
    if (!good) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Stream::Stream(std::uint16_t port) : buffer_(kBufferBytes, '\0') {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(socket_ >= 0, "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    check(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "connect");
}

Stream::~Stream() { ::close(socket_); }

void Stream::flush() {
    for (std::size_t at = 0; at < output_.size();) {
        const ssize_t count = ::send(socket_, output_.data() + at, output_.size() - at, 0);
        check(count > 0, "send");
        at += static_cast<std::size_t>(count);
    }
    sent_ += output_.size();
    output_.clear();
}

/// Until at least `wanted` unread bytes are there.
void Stream::fill(std::size_t wanted) {
    if (buffer_.size() - at_ < wanted + kPadding) {
        std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
        end_ -= at_;
        at_ = 0;
        if (buffer_.size() < wanted + kPadding) buffer_.resize(wanted + kPadding);
    }
    while (end_ - at_ < wanted) {
        const ssize_t count =
            ::recv(socket_, buffer_.data() + end_, buffer_.size() - kPadding - end_, 0);
        check(count >= 0, "recv");
        if (count == 0) throw std::runtime_error("the server has closed the connection");
        end_ += static_cast<std::size_t>(count);
        received_ += static_cast<std::uint64_t>(count);
    }
}

std::string_view Stream::line() {
    std::size_t looked = 0;
    for (;;) {
        const std::string_view unread(buffer_.data() + at_, end_ - at_);
        const std::size_t found = unread.find('\n', looked);
        if (found != std::string_view::npos) {
            at_ += found + 1;
            return unread.substr(0, found - std::min<std::size_t>(found, 1));
        }
        looked = unread.size();
        fill(looked + 1);
    }
}

std::string_view Stream::block(std::size_t bytes) {
    if (end_ - at_ < bytes + 2) fill(bytes + 2);
    const std::string_view block(buffer_.data() + at_, bytes);
    at_ += bytes + 2;
    return block;
}

}  // namespace shardmill::readout
