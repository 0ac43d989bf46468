#include "net/connection_state.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/connection.h"
#include "net/server.h"
#include "protocol/binary_parser.h"

namespace shardmill::net {
namespace {

constexpr unsigned char kBinaryMagic = 0x80;

/// Part of a value, or of a packet's body, has come.
bool is_in_block(const Connection& connection) noexcept {
    const Buffer& input = connection.input;
    if (connection.upload != nullptr) return true;
    if (input.empty() || connection.input_needed <= input.size()) return false;
    return static_cast<unsigned char>(*input.data()) != kBinaryMagic ||
           input.size() >= protocol::kBinaryHeaderBytes;
}

std::string ip_address(std::string_view transport, bool v6, std::string_view host,
                       std::uint16_t port) {
    return v6 ? fmt::format("{}6:[{}]:{}", transport, host, port)
              : fmt::format("{}:{}:{}", transport, host, port);
}

std::string text_of(const PeerAddress& address) {
    if (address.kind == PeerAddress::Kind::Local) return "unix:<unnamed>";
    return ip_address("tcp", address.kind == PeerAddress::Kind::Tcp6, address.host(), address.port);
}

bool is_udp(const BoundAddress& listener) noexcept {
    return listener.kind == BoundAddress::Kind::Udp4 || listener.kind == BoundAddress::Kind::Udp6;
}

std::string text_of(const BoundAddress& listener) {
    using Kind = BoundAddress::Kind;
    if (listener.kind == Kind::Unix) return "unix:" + listener.address;
    const bool v6 = listener.kind == Kind::Tcp6 || listener.kind == Kind::Udp6;
    return ip_address(is_udp(listener) ? "udp" : "tcp", v6, listener.address, listener.port);
}

}  // namespace

std::string_view state_of(const Connection& connection) noexcept {
    if (connection.endless) return "conn_watch";
    if (connection.deferred) return "conn_io_pending";
    if (connection.closing || connection.broken) return "conn_closing";
    if (connection.sending || connection.output_bytes() != 0) return "conn_mwrite";
    if (connection.swallow != 0) return "conn_swallow";
    if (is_in_block(connection)) return "conn_nread";
    if (connection.in_runnable) return "conn_new_cmd";
    return "conn_read";
}

bool is_idle(const Connection& connection) noexcept {
    return connection.listener->kind != BoundAddress::Kind::Unix &&
           state_of(connection) == "conn_read";
}

ConnectionReport report_on(const Connection& connection, std::uint32_t now_s) {
    const BoundAddress& listener = *connection.listener;
    // A listener on all interfaces does not tell by which of them a client came.
    const bool tcp = listener.kind != BoundAddress::Kind::Unix;
    return {.socket = connection.socket,
            .address = text_of(connection.peer),
            .listen_address =
                tcp ? text_of(PeerAddress::local_of(connection.socket)) : text_of(listener),
            .state = state_of(connection),
            .idle_s = now_s - connection.last_command_s,
            .id = connection.id};
}

ConnectionReport report_on(const BoundAddress& listener) {
    return {.socket = listener.socket,
            .address = text_of(listener),
            .listen_address = {},
            .state = is_udp(listener) ? "conn_read" : "conn_listening",
            .idle_s = 0,
            .id = {}};
}

}  // namespace shardmill::net
