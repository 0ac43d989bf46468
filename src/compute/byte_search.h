#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace shardmill::compute {

/// Finds one string in many texts at about the speed of memory: 16 places at a time are compared
/// with the needle's first and last byte, and only what passes is looked at in full. (The "generic
/// SIMD" search of W. Mula.) Immutable, any thread.
class ByteSearch {
 public:
    enum class Case { Exact, Fold };  // Fold: ASCII letters match in either case

    /// `needle` is not empty; with Fold its letters are lower case.
    ByteSearch(std::string needle, Case letters);

    /// The first place at or after `from`; npos: none.
    std::size_t find(std::string_view text, std::size_t from = 0) const noexcept;
    std::size_t size() const noexcept { return needle_.size(); }

 private:
    bool matches_at(const char* text) const noexcept;

    std::string needle_;
    std::string folds_;  // for each byte 0x20 if its letter's case does not matter, else 0
    bool exact_;
};

/// Where `byte` is found for the n-th time, from 1; npos: there are fewer.
std::size_t find_nth(std::string_view text, char byte, std::uint32_t n) noexcept;

}  // namespace shardmill::compute
