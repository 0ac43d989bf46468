#pragma once

#include <string_view>

#include "protocol/request.h"

namespace shardmill::engine {

/// True if flag `first` stands before flag `second` in the request. Both are present.
inline bool flag_precedes(const protocol::MetaFlags& flags, char first, char second) noexcept {
    std::string_view rest = flags.text;
    for (auto flag = protocol::next_key(rest); !flag.empty(); flag = protocol::next_key(rest)) {
        if (flag.front() == first) return true;
        if (flag.front() == second) return false;
    }
    return false;
}

/// True if C was given and does not match.
inline bool cas_differs(const protocol::MetaFlags& flags, std::uint64_t cas) noexcept {
    return flags.has('C') && flags.compare_cas != cas;
}

}  // namespace shardmill::engine
