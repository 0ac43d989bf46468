#pragma once

#include <cstdint>

namespace shardmill::protocol {

/// Which protocol a connection may speak.
enum class Dialect : std::uint8_t {
    Auto,    // the first byte of a connection decides
    Text,    // classic and meta commands only
    Binary,  // the binary protocol only
};

}  // namespace shardmill::protocol
