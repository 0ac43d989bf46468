#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::compute {

/// Shell-like patterns over bytes: `*` any run, `?` one byte, `[a-z]` and `[!a-z]` one byte of (not
/// of) a set, `\` takes the special meaning of what follows. The whole key must match.
class Glob {
 public:
    struct Error {
        std::size_t position;  // in the pattern
        std::string message;
    };
    static std::expected<Glob, Error> compile(std::string_view pattern);

    /// No allocation; time at most pattern x key.
    bool matches(std::string_view key) const noexcept;

 private:
    enum class Kind : std::uint8_t { Byte, Any, Run, Set };
    struct Piece {
        Kind kind = Kind::Byte;
        unsigned char byte = 0;
        std::uint32_t set = 0;  // index into sets_
    };
    struct Set {
        std::uint64_t bits[4] = {};
        bool has(unsigned char byte) const noexcept {
            return (bits[byte >> 6] >> (byte & 63) & 1) != 0;
        }
    };

    bool matches_one(const Piece& piece, unsigned char byte) const noexcept;
    std::expected<std::size_t, Error> add_set(std::string_view pattern, std::size_t at);

    std::vector<Piece> pieces_;
    std::vector<Set> sets_;
};

}  // namespace shardmill::compute
