#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "compute/program.h"

namespace shardmill::compute {

template <typename T>
using Parsed = std::expected<T, PipelineError>;

/// The tokens of a pipeline. What a token is depends on where it stands (a prefix is any text up to
/// the next bar), so the parser asks for the kind it expects. White space between tokens is
/// skipped: a payload may span lines.
class Scanner {
 public:
    explicit Scanner(std::string_view text) noexcept : text_(text) {}

    /// What a piece of raw text is, which decides where it ends: at a bar,
    enum class Raw : std::uint8_t {
        Plain,   // the first one
        Glob,    // the first one that is not behind a backslash
        Regex,   // the same, outside of parentheses and brackets
        Listed,  // or at a comma, outside of quotes, parentheses and brackets
    };

    std::size_t position() const noexcept { return at_; }
    std::string_view text() const noexcept { return text_; }
    /// What was read since `start`, without white space at its end.
    std::string_view since(std::size_t start) const noexcept;

    void skip_space() noexcept;
    bool at_end() noexcept;
    /// The next byte after white space, 0 at the end.
    char peek() noexcept;
    /// Takes `token` if it comes next.
    bool take(std::string_view token) noexcept;
    /// Looks at it only.
    bool sees(std::string_view token) noexcept;
    /// a-z, 0-9 and _, beginning with a letter; empty if there is none. Only lower case: upper case
    /// is left to the error.
    std::string_view take_name() noexcept;
    /// Bytes of a member's name behind a dot in a path.
    std::string_view take_member() noexcept;
    /// Characters a number may consist of.
    std::string_view take_number() noexcept;
    /// Text between quotes ' ' with its escapes resolved. The opening quote comes next.
    Parsed<std::string> take_quoted();
    /// One byte or one escape.
    Parsed<std::string> take_byte();
    /// Everything up to its end, trimmed; or quoted text.
    Parsed<std::string> take_raw(Raw kind, bool& quoted);
    /// Back to a position it has been at.
    void rewind(std::size_t position) noexcept { at_ = position; }

    std::unexpected<PipelineError> error(std::string message) const {
        return error_at(at_, std::move(message));
    }
    static std::unexpected<PipelineError> error_at(std::size_t position, std::string message) {
        return std::unexpected(PipelineError{position, std::move(message)});
    }
    /// "expected <what>, not 'x'" (or "but the text ends").
    std::unexpected<PipelineError> expected(std::string_view what);

 private:
    Parsed<char> take_escape();

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace shardmill::compute
