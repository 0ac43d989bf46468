#pragma once

#include <string>
#include <vector>

namespace shardmill::fuzz {

/// Programs for check_store to start from: every operation, and what is known to be delicate.
std::vector<std::string> store_seeds();

}  // namespace shardmill::fuzz
