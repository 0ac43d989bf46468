#pragma once

#include <string_view>

namespace shardmill::fuzz {

/// Compiles any bytes as a pipeline and runs it over a few items, and aborts if what comes out
/// contradicts itself: an error lies within the text and is one line; a program gives the same rows
/// whether one partial maps all items or two do, one of them saved, loaded and merged. True if it
/// was accepted. For the fuzzer and for tests.
bool check_pipeline(std::string_view text);

}  // namespace shardmill::fuzz
