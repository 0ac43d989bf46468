#pragma once

#include <string_view>

namespace shardmill::compute::test {

/// Compiles any bytes as a pipeline and aborts if what comes out contradicts itself: an error lies
/// within the text and is one line; a program that was accepted maps an item and finishes. True if
/// it was accepted. Also the fuzzer's target.
bool parse_any(std::string_view text);

}  // namespace shardmill::compute::test
