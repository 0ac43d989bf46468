#pragma once

#include <string_view>

#include "protocol/binary_parser.h"
#include "protocol/dialect.h"
#include "protocol/request.h"
#include "protocol/text_parser.h"

namespace shardmill::protocol {

/// What the first byte of a connection in `Dialect::Auto` makes it, for good.
constexpr Dialect dialect_of(char first_byte) noexcept {
    return static_cast<unsigned char>(first_byte) == kRequestMagic ? Dialect::Binary
                                                                   : Dialect::Text;
}

/// Parses the first command in `bytes`; they are not empty where the first of them decides how.
inline ParseResult parse(Dialect dialect, std::string_view bytes, Request& request) noexcept {
    if (dialect == Dialect::Auto) [[unlikely]]
        dialect = dialect_of(bytes.front());
    if (dialect == Dialect::Text) [[likely]]
        return parse_text(bytes, request);
    return parse_binary(bytes, request);
}

}  // namespace shardmill::protocol
