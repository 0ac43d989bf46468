#include "engine/connection_commands.h"

#include <fmt/format.h>

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

bool is_same(const net::ConnectionId& one, const net::ConnectionId& other) noexcept {
    return one.reactor == other.reactor && one.slot == other.slot &&
           one.generation == other.generation;
}

void append_report(std::string& text, const net::ConnectionReport& report, bool asking) {
    using protocol::append_stat;
    const auto name = [&](std::string_view what) {
        return fmt::format("{}:{}", report.socket, what);
    };
    if (report.address.starts_with("udp")) append_stat(text, name("UDP"), "UDP");
    append_stat(text, name("addr"), report.address);
    if (!report.listen_address.empty()) {
        append_stat(text, name("listen_addr"), report.listen_address);
    }
    append_stat(text, name("state"), asking ? "conn_parse_cmd" : report.state);
    append_stat(text, name("secs_since_last_cmd"), std::uint64_t{asking ? 0 : report.idle_s});
}

}  // namespace

void ConnectionCommands::list(net::ConnectionId asking) {
    server_.list_connections(
        [&replier = replier_, asking](const std::vector<net::ConnectionReport>& reports) {
            std::string text;
            for (const net::ConnectionReport& report : reports) {
                append_report(text, report, is_same(report.id, asking));
            }
            text.append(protocol::replies::kEnd);
            replier.reply(asking, std::move(text));
        });
}

void ConnectionCommands::refresh_certs(net::ConnectionId asking, bool no_reply) {
    server_.refresh_certs(
        [&replier = replier_, asking, no_reply](std::expected<void, std::string> refreshed) {
            std::string text;
            if (!no_reply) text = refreshed ? protocol::replies::kOk : refreshed.error() + "\r\n";
            replier.reply(asking, std::move(text));
        });
}

}  // namespace shardmill::engine
