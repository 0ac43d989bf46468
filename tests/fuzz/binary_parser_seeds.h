#pragma once

#include <string>
#include <vector>

namespace shardmill::fuzz {

/// Input to start from: at least one for every opcode, valid ones and near misses.
const std::vector<std::string>& binary_parser_seeds();

}  // namespace shardmill::fuzz
