#include "engine/stat_packets.h"

#include <algorithm>

#include "base/assert.h"
#include "protocol/binary_reply.h"

namespace shardmill::engine {

namespace {

constexpr std::string_view kStat = "STAT ";

/// Takes the next line off `text`, without its CR LF.
std::string_view next_line(std::string_view& text) noexcept {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    return line;
}

}  // namespace

void append_stat_packets(std::string& out, const ControlRequest& asked, std::string_view text) {
    SHARDMILL_ASSERT(asked.packet.has_value());
    protocol::Request request{};
    request.binary = *asked.packet;
    if (text.starts_with("ERROR") || text.starts_with("CLIENT_ERROR")) {
        return protocol::append_binary_error(out, request, protocol::BinaryStatus::NotFound);
    }
    // As memcached has it: the whole dump, END included, is one value.
    if (asked.arguments == "detail dump") {
        protocol::append_binary_stat(out, request, "detailed", text);
    }
    while (text.starts_with(kStat)) {
        const std::string_view line = next_line(text).substr(kStat.size());
        const std::size_t name_end = std::min(line.find(' '), line.size());
        protocol::append_binary_stat(out, request, line.substr(0, name_end),
                                     line.substr(std::min(name_end + 1, line.size())));
    }
    protocol::append_binary_stat(out, request, {}, {});
}

}  // namespace shardmill::engine
