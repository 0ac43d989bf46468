#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardmill::protocol {

/// What the first bytes of a text connection amount to that has yet to say who it is.
struct LoginParse {
    enum class Status : std::uint8_t {
        NeedMore,  // nothing consumed; `needed` bytes in all at least (0: unknown, up to a newline)
        Close,     // the connection is to be closed without a reply
        Refused,   // `consumed` bytes are answered with `reply`; the next ones may do better
        Attempt,   // `consumed` bytes named `user` and `password`
    };
    Status status;
    std::size_t consumed = 0;
    std::size_t needed = 0;
    std::string_view reply;
    std::string_view user;      // into the parsed bytes
    std::string_view password;  // the same
};

/// Parses a login: a `set` of any key whose data block is "user password". Whatever else comes
/// first is refused. Bytes in, outcome out, as parse_text.
LoginParse parse_login(std::string_view bytes) noexcept;

namespace login_replies {
inline constexpr std::string_view kUnauthenticated = "CLIENT_ERROR unauthenticated\r\n";
inline constexpr std::string_view kTooLong = "CLIENT_ERROR auth token too long\r\n";
inline constexpr std::string_view kBadTermination = "CLIENT_ERROR bad command line termination\r\n";
inline constexpr std::string_view kBadFormat = "CLIENT_ERROR bad authentication token format\r\n";
inline constexpr std::string_view kFailure = "CLIENT_ERROR authentication failure\r\n";
}  // namespace login_replies

/// The most that a login's data block may hold.
inline constexpr std::size_t kMaxLoginBytes = 16384;

}  // namespace shardmill::protocol
