#pragma once

#include <cstddef>
#include <random>
#include <string>

namespace shardmill::fuzz {

/// A few random bytes, pieces cut out and pieces doubled.
inline std::string mutated(std::string text, std::mt19937_64& random) {
    const auto below = [&](std::size_t limit) {
        return static_cast<std::size_t>(random() % limit);
    };
    for (std::size_t changes = 1 + below(4); changes != 0; --changes) {
        const std::size_t at = below(text.size() + 1);
        const std::size_t length = below(text.size() + 1 - at);
        switch (below(4)) {
            case 0:
                text.insert(at, 1, static_cast<char>(random()));
                break;
            case 1:
                text.erase(at, length);
                break;
            case 2:
                text.insert(at, text.substr(at, length));
                break;
            default:
                text.insert(at, below(300), "k \r\n0="[below(6)]);
        }
    }
    return text;
}

}  // namespace shardmill::fuzz
