#pragma once

#include <string_view>

namespace shardmill::fuzz {

/// As check_text_parser, but what begins with no meta command is made to: the fuzzer's time goes
/// into flags, keys and modes. For the fuzzer and for tests.
void check_meta_parser(std::string_view bytes);

}  // namespace shardmill::fuzz
