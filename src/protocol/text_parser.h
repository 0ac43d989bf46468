#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "protocol/request.h"

namespace shardmill::protocol {

/// What the parser made of the bytes it was shown.
enum class ParseStatus : std::uint8_t {
    Complete,   // `request` is filled; `consumed` covers the line and its data block, if any
    NeedMore,   // nothing consumed; `needed` bytes in all at least (0: unknown, up to a newline)
    NeedValue,  // the line is `consumed`; of its `value_bytes` + 2 bytes of data some are missing
    Close,      // the connection is to be closed without a reply (line over the limit, HTTP)
};

struct ParseResult {
    ParseStatus status;
    std::size_t consumed;  // bytes
    std::size_t needed;    // bytes, NeedMore only
    /// Bytes that follow `consumed` and must be thrown away as they arrive, before parsing goes on:
    /// the data block of a refused storage command, as far as it was not here yet.
    std::size_t swallow;
};

/// Parses the first command in `bytes`: memcached's text and meta protocols and the `batch` and
/// `snapshot` extensions. Bytes in, request out: no I/O, no state, no allocation, no exceptions. A
/// malformed command is a `Complete` parse with Verb::Invalid and its reply in `request.error`.
///
/// `request` may hold garbage from an earlier use. Views in it point into `bytes` (binary keys:
/// into the request).
///
/// After NeedValue there are two ways on. Either the caller gathers: it shows the same bytes again
/// once `consumed + value_bytes + 2` of them are there. Or it receives the value elsewhere: it
/// keeps a copy of the line's `consumed` bytes, parses that copy (NeedValue again, with views into
/// the copy) and calls `finish_value`.
ParseResult parse_text(std::string_view bytes, Request& request) noexcept;

/// Parses a line of `batch` or `snapshot` that came in a packet of the binary protocol; its line
/// end may be missing, a payload follows it. Fills `request` as parse_text does, with Verb::Invalid
/// for anything else.
void parse_extension(std::string_view bytes, Request& request) noexcept;

/// Completes a request whose data block was received outside the parsed bytes; `terminator` is what
/// followed the value, `terminator_bytes` of the verb. `request.value` stays empty.
void finish_value(Request& request, std::string_view terminator) noexcept;

/// Every command word that is understood, for tests and listings.
std::span<const std::string_view> command_words() noexcept;

/// The most that the text behind a batch line (`payload=`) may hold.
inline constexpr std::size_t kMaxPayloadBytes = 64 * 1024;

}  // namespace shardmill::protocol
