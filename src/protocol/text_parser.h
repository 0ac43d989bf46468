#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/request.h"

namespace shardmill::protocol {

/// What the parser made of the bytes it was shown.
enum class ParseStatus : std::uint8_t {
    Complete,   // `request` is filled; `consumed` bytes are done with (line, and data block where there is one)
    NeedMore,   // nothing consumed; at least `needed` bytes in all are required (0: unknown, until a newline)
    NeedValue,  // the line is `consumed`; `request.value_bytes` + 2 bytes of data block follow and are not all here
    Close,      // the connection is to be closed without a reply (line over the limit, HTTP)
};

struct ParseResult {
    ParseStatus status;
    std::size_t consumed;  // bytes
    std::size_t needed;    // bytes, NeedMore only
    /// Bytes that follow `consumed` and must be thrown away as they arrive, before parsing goes on: the data block of
    /// a refused storage command, as far as it was not here yet.
    std::size_t swallow;
};

/// Parses the first command in `bytes`: memcached's text and meta protocols and the `batch` and `snapshot`
/// extensions. Bytes in, request out: no I/O, no state, no allocation, no exceptions. A malformed command is a
/// `Complete` parse with Verb::Invalid and its reply in `request.error`.
///
/// `request` may hold garbage from an earlier use. Views in it point into `bytes` (binary keys: into the request).
ParseResult parse_text(std::string_view bytes, Request& request) noexcept;

}  // namespace shardmill::protocol
