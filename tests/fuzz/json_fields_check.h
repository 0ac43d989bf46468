#pragma once

#include <string_view>

namespace shardmill::fuzz {

/// Reads fields of any bytes as a job does, all at once and each by itself, and aborts unless they
/// are what simdjson's whole-document parser finds there. What it takes for JSON must not be
/// refused; documents that are broken behind what is looked at may pass, those may not that lack a
/// field. For the fuzzer and for tests.
void check_json_fields(std::string_view document);

}  // namespace shardmill::fuzz
