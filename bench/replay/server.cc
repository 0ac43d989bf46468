// A server on loopback: gets and sets in small pipelines.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "replay/cache.h"

namespace shardmill::bench {
namespace {

[[noreturn]] void fail(std::string_view what) {
    throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

class ServerCache final : public ReplayCache {
 public:
    explicit ServerCache(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
            fail(fmt::format("cannot connect to 127.0.0.1:{}", port));
        }
        const int on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    ~ServerCache() override { ::close(socket_); }
    ServerCache(const ServerCache&) = delete;
    ServerCache& operator=(const ServerCache&) = delete;

    void replay(std::span<const TraceRequest> requests, ReplayCounts& counts) override {
        out_.clear();
        for (const TraceRequest& request : requests) {
            if (request.op == TraceRequest::Op::Get) {
                fmt::format_to(std::back_inserter(out_), "get {}\r\n", trace_key(request.id));
            } else if (request.op == TraceRequest::Op::Delete) {
                fmt::format_to(std::back_inserter(out_), "delete {}\r\n", trace_key(request.id));
            } else {
                append_set(request);
            }
        }
        send_all();
        out_.clear();
        std::uint32_t sets = 0;
        for (const TraceRequest& request : requests) {
            if (request.op == TraceRequest::Op::Set) count_stored(request, counts);
            if (request.op == TraceRequest::Op::Delete) line();
            if (request.op != TraceRequest::Op::Get) continue;
            ++counts.gets;
            if (read_hit()) continue;
            ++counts.misses;
            append_set(request);
            ++sets;
        }
        if (sets == 0) return;
        send_all();
        for (; sets != 0; --sets) counts.refused += line() != "STORED" ? 1 : 0;
    }

 private:
    void append_set(const TraceRequest& request) {
        fmt::format_to(std::back_inserter(out_), "set {} 0 {} {}\r\n", trace_key(request.id),
                       request.ttl_s, request.value_bytes);
        out_.append(request.value_bytes, 'v').append("\r\n");
    }

    void count_stored(const TraceRequest& request, ReplayCounts& counts) {
        if (line() == "STORED") {
            counts.inserted_bytes += request.value_bytes;
        } else {
            ++counts.refused;
        }
    }

    bool read_hit() {
        const std::string head = line();
        if (head == "END") return false;
        const auto space = head.rfind(' ');
        std::size_t bytes = 0;
        std::from_chars(head.data() + space + 1, head.data() + head.size(), bytes);
        skip(bytes + 2);
        if (line() != "END") throw std::runtime_error("no END after a value: " + head);
        return true;
    }

    void send_all() {
        for (std::string_view rest = out_; !rest.empty();) {
            const ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
            if (sent < 0) fail("cannot send");
            rest.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    void receive() {
        if (begin_ == end_) begin_ = end_ = 0;
        if (end_ == sizeof(buffer_)) {
            std::memmove(buffer_, buffer_ + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        const ssize_t received = ::recv(socket_, buffer_ + end_, sizeof(buffer_) - end_, 0);
        if (received < 0) fail("cannot receive");
        if (received == 0) throw std::runtime_error("the server closed the connection");
        end_ += static_cast<std::size_t>(received);
    }

    std::string line() {
        for (;;) {
            const std::string_view seen(buffer_ + begin_, end_ - begin_);
            if (const auto end = seen.find("\r\n"); end != std::string_view::npos) {
                begin_ += end + 2;
                return std::string(seen.substr(0, end));
            }
            receive();
        }
    }

    void skip(std::size_t bytes) {
        while (bytes != 0) {
            if (begin_ == end_) receive();
            const std::size_t now = std::min(bytes, end_ - begin_);
            begin_ += now;
            bytes -= now;
        }
    }

    int socket_;
    std::string out_;
    char buffer_[1 << 16];
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace

std::unique_ptr<ReplayCache> open_server(std::uint16_t port) {
    return std::make_unique<ServerCache>(port);
}

}  // namespace shardmill::bench
