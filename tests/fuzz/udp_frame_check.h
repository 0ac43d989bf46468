#pragma once

#include <string_view>

namespace shardmill::fuzz {

/// Takes a datagram apart as a UDP port does, frame first, then text or packets, and aborts if an
/// outcome breaks what the frame or the parsers promise. For the fuzzer and for tests.
void check_udp_frame(std::string_view datagram);

}  // namespace shardmill::fuzz
