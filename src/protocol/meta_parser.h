#pragma once

#include "protocol/text_line.h"

/// The lines of the meta commands, each told by its verb. For the text parser only.
namespace shardmill::protocol {

ParseResult parse_meta_noop(const TextLine& line, Verb verb, Request& request) noexcept;  // mn
ParseResult parse_meta(const TextLine& line, Verb verb, Request& request) noexcept;      // mg md ma
ParseResult parse_meta_set(const TextLine& line, Verb verb, Request& request) noexcept;  // ms
ParseResult parse_meta_debug(const TextLine& line, Verb verb, Request& request) noexcept;  // me

}  // namespace shardmill::protocol
