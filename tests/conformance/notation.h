#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "conformance/case_table.h"

namespace shardmill::conformance {

/// Text with escapes (`\r \n \t \0 \xHH`) and holes (`<5*a> <name+1> <number> <word> <rest>
/// <now>`).
std::vector<Piece> parse_text_notation(std::string_view text);

/// A binary packet: `<op> <field>=<value>... value=<the rest of the line>`.
std::vector<Piece> parse_packet_notation(std::string_view text, std::uint8_t magic);

/// Appends, putting neighbouring bytes together.
void append(std::vector<Piece>& pieces, std::vector<Piece> more);

}  // namespace shardmill::conformance
