#include "protocol/login_parser.h"

#include <optional>

#include "protocol/request.h"
#include "protocol/text_number.h"

namespace shardmill::protocol {
namespace {

using Status = LoginParse::Status;

constexpr std::size_t kMinBytes = 3;      // fewer are not judged yet
constexpr std::size_t kMinLineBytes = 6;  // newline excluded, CR included
constexpr std::size_t kTerminatorBytes = 2;

LoginParse need(std::size_t bytes) noexcept {
    return {.status = Status::NeedMore, .needed = bytes};
}

LoginParse refuse(std::size_t consumed, std::string_view reply) noexcept {
    return {.status = Status::Refused, .consumed = consumed, .reply = reply};
}

/// <bytes> of a `set` line; nullopt if it is something else.
std::optional<std::uint32_t> set_bytes(std::string_view line) noexcept {
    constexpr int kTokensBefore = 4;  // set, key, flags, exptime
    if (!line.starts_with("set ")) return std::nullopt;
    std::string_view token;
    for (int i = 0; i <= kTokensBefore; ++i) token = next_key(line);
    return parse_u32(token);
}

}  // namespace

LoginParse parse_login(std::string_view bytes) noexcept {
    if (bytes.size() < kMinBytes) return need(kMinBytes);
    const auto newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
        return bytes.size() > kMaxLineBytes ? LoginParse{.status = Status::Close} : need(0);
    }
    if (newline < kMinLineBytes) return {.status = Status::Close};
    std::string_view line = bytes.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t line_bytes = newline + 1;
    const auto value_bytes = set_bytes(line);
    if (!value_bytes) return refuse(line_bytes, login_replies::kUnauthenticated);
    if (*value_bytes > kMaxLoginBytes) return refuse(line_bytes, login_replies::kTooLong);

    const std::size_t all = line_bytes + *value_bytes + kTerminatorBytes;
    if (bytes.size() < all) return need(all);
    const std::string_view token = bytes.substr(line_bytes, *value_bytes);
    if (bytes.substr(line_bytes + *value_bytes, kTerminatorBytes) != "\r\n") {
        return refuse(all, login_replies::kBadTermination);
    }
    const auto space = token.find(' ');
    if (space == std::string_view::npos) return refuse(all, login_replies::kBadFormat);
    return {.status = Status::Attempt,
            .consumed = all,
            .user = token.substr(0, space),
            .password = token.substr(space + 1)};
}

}  // namespace shardmill::protocol
