#pragma once

#include <string>
#include <vector>

namespace shardmill::fuzz {

/// Datagrams to start from: a frame in front of every command and every opcode, and frames that
/// are to be dropped.
std::vector<std::string> udp_frame_seeds();

}  // namespace shardmill::fuzz
