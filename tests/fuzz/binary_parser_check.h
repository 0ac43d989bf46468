#pragma once

#include <string_view>

namespace shardmill::fuzz {

/// Parses `bytes` as a connection would, packet by packet, until they are used up or more would be
/// needed, and aborts if an outcome breaks what parse_binary promises. For the fuzzer and for
/// tests.
void check_binary_parser(std::string_view bytes);

}  // namespace shardmill::fuzz
