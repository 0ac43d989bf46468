#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardmill::compute {

/// The structural characters of a JSON text one after the other: brackets, colons, commas, and the
/// quotes at both ends of strings. They are found as simdjson's first stage does ("Parsing
/// Gigabytes of JSON per Second", Langdale and Lemire), but only as far as they are asked for, and
/// in the text where it lies: nothing is read beyond its end.
///
/// Any bytes will do; whether the characters make JSON is for the caller to see. One thread.
class JsonTokens {
 public:
    explicit JsonTokens(std::string_view text) noexcept : ahead_(text.data()), left_(text.size()) {}

    /// The next one; nullptr: there is none. A string without an end hides what follows it, and
    /// behind an opening quote comes the closing one.
    const char* next() noexcept {
        const char* const token = peek();
        tokens_ &= tokens_ - 1;
        return token;
    }
    /// The same without going on.
    const char* peek() noexcept {
        while (tokens_ == 0) {
            if (!advance()) return nullptr;
        }
        return block_ + std::countr_zero(tokens_);
    }
    /// Goes on behind the brackets that close the innermost `levels` open ones; of which kind they
    /// are is not looked at. False: the text ends before.
    bool leave(std::uint32_t levels) noexcept;

    /// Whether there was a backslash up to here, or a little further.
    bool met_escape() const noexcept { return met_escape_; }

 private:
    bool advance() noexcept;
    void mark(const char* bytes) noexcept;
    std::uint64_t escaped_by(std::uint64_t backslashes) noexcept;

    const char* block_ = nullptr;  // what the bits below are of
    const char* ahead_;            // what follows it
    std::size_t left_;
    std::uint64_t tokens_ = 0;  // not taken yet
    std::uint64_t opening_ = 0;
    std::uint64_t closing_ = 0;
    std::uint64_t in_string_ = 0;  // all bits: the last block ended inside of a string
    std::uint64_t escape_ = 0;     // 1: it ended with a backslash that counts
    bool met_escape_ = false;
};

}  // namespace shardmill::compute
