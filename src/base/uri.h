#pragma once

#include <string>
#include <string_view>

namespace shardmill::base {

/// Appends `bytes` percent-encoded: everything but the unreserved characters of RFC 3986 becomes
/// %XX with upper-case digits.
void append_uri_encoded(std::string& text, std::string_view bytes);

}  // namespace shardmill::base
