#include "compute/scanner.h"

#include <fmt/format.h>

#include <algorithm>

#include "compute/value.h"

namespace shardmill::compute {

namespace {

bool is_space(char byte) noexcept {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}
bool is_letter(char byte) noexcept { return byte >= 'a' && byte <= 'z'; }
bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

bool is_member_byte(char byte) noexcept {
    static constexpr std::string_view kEnds = ".[](),&|=!<>~'\"\\";
    return static_cast<unsigned char>(byte) > 0x20 && byte != 0x7f &&
           kEnds.find(byte) == std::string_view::npos;
}

int hex_digit(char byte) noexcept {
    if (is_digit(byte)) return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

std::string_view trim_end(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace

std::string_view Scanner::since(std::size_t start) const noexcept {
    return trim_end(text_.substr(start, at_ - start));
}

void Scanner::skip_space() noexcept {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

bool Scanner::at_end() noexcept {
    skip_space();
    return at_ == text_.size();
}

char Scanner::peek() noexcept { return at_end() ? '\0' : text_[at_]; }

bool Scanner::sees(std::string_view token) noexcept {
    skip_space();
    return text_.substr(at_).starts_with(token);
}

bool Scanner::take(std::string_view token) noexcept {
    if (!sees(token)) return false;
    at_ += token.size();
    return true;
}

std::string_view Scanner::take_name() noexcept {
    skip_space();
    const std::size_t start = at_;
    if (at_ < text_.size() && is_letter(text_[at_])) {
        while (at_ < text_.size() &&
               (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '_'))
            ++at_;
    }
    return text_.substr(start, at_ - start);
}

std::string_view Scanner::take_member() noexcept {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_member_byte(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
}

std::string_view Scanner::take_number() noexcept {
    skip_space();
    const std::size_t start = at_;
    const auto in_number = [this](char byte) noexcept {
        return is_digit(byte) || is_letter(byte) || byte == '.' || byte == 'E' || byte == '-' ||
               byte == '+';
    };
    while (at_ < text_.size() && in_number(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
}

/// What follows a backslash.
Parsed<char> Scanner::take_escape() {
    if (at_ == text_.size()) return error_at(at_ - 1, "nothing follows the backslash");
    const char byte = text_[at_++];
    switch (byte) {
        case 't':
            return '\t';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 's':
            return ' ';
        case '0':
            return '\0';
        case 'x': {
            const int high = at_ < text_.size() ? hex_digit(text_[at_]) : -1;
            const int low = at_ + 1 < text_.size() ? hex_digit(text_[at_ + 1]) : -1;
            if (high < 0 || low < 0) return error_at(at_ - 2, "\\x needs two hexadecimal digits");
            at_ += 2;
            return static_cast<char>(high * 16 + low);
        }
        case '\\':
        case '\'':
        case '"':
        case ',':
        case '|':
        case '(':
        case ')':
            return byte;
        default:
            return error_at(
                at_ - 2,
                fmt::format("unknown escape \\{} (there are \\t \\n \\r \\s \\0 \\xHH \\\\ \\')",
                            printable({&byte, 1})));
    }
}

Parsed<std::string> Scanner::take_quoted() {
    skip_space();
    const std::size_t open = at_++;
    std::string out;
    while (at_ < text_.size()) {
        const char byte = text_[at_++];
        if (byte == '\'') return out;
        if (byte != '\\') {
            out += byte;
            continue;
        }
        const auto escaped = take_escape();
        if (!escaped) return std::unexpected(escaped.error());
        out += *escaped;
    }
    return error_at(open, "the quote is not closed");
}

Parsed<std::string> Scanner::take_byte() {
    if (at_ == text_.size()) return expected("a delimiter");
    const char byte = text_[at_++];
    if (byte != '\\') return std::string(1, byte);
    const auto escaped = take_escape();
    if (!escaped) return std::unexpected(escaped.error());
    return std::string(1, *escaped);
}

Parsed<std::string> Scanner::take_raw(bool& quoted) {
    quoted = peek() == '\'';
    if (quoted) return take_quoted();
    const std::size_t start = at_;
    std::size_t depth = 0;
    bool in_quotes = false;
    for (; at_ < text_.size(); ++at_) {
        const char byte = text_[at_];
        if (in_quotes && byte == '\\' && at_ + 1 < text_.size()) {
            ++at_;
        } else if (byte == '\'' && depth > 0) {
            in_quotes = !in_quotes;
        } else if (!in_quotes && byte == '(') {
            ++depth;
        } else if (!in_quotes && byte == ')') {
            depth -= std::min<std::size_t>(depth, 1);
        } else if (!in_quotes && depth == 0 && byte == '|') {
            break;
        }
    }
    return std::string(since(start));
}

std::unexpected<PipelineError> Scanner::expected(std::string_view what) {
    if (at_end()) return error(fmt::format("expected {}, but the text ends", what));
    return error(fmt::format("expected {}, not '{}'", what, printable(text_.substr(at_, 1))));
}

}  // namespace shardmill::compute
