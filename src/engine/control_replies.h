#pragma once

#include <string>
#include <string_view>

#include "protocol/reply.h"

/// Whole replies of `batch` and `snapshot`, for those who answer with a string.
namespace shardmill::engine {

inline std::string reply_line(std::string_view code, std::string_view text = {}) {
    std::string reply;
    protocol::append_batch_line(reply, code, text);
    return reply;
}

inline std::string client_error(std::string_view text) {
    std::string reply;
    protocol::append_client_error(reply, text);
    return reply;
}

inline std::string server_error(std::string_view text) {
    std::string reply;
    protocol::append_server_error(reply, text);
    return reply;
}

}  // namespace shardmill::engine
