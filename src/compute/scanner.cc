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
    static constexpr std::string_view kEnds = ".[](),&|=!<>~'\"\\+*/";
    return static_cast<unsigned char>(byte) > 0x20 && byte != 0x7f &&
           kEnds.find(byte) == std::string_view::npos;
}

bool is_word_byte(char byte) noexcept {
    return is_letter(byte) || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           static_cast<unsigned char>(byte) >= 0x80;
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
    // A hyphen joins words; before anything else it is a minus.
    const auto joins = [this] { return at_ + 1 < text_.size() && is_word_byte(text_[at_ + 1]); };
    while (at_ < text_.size() && is_member_byte(text_[at_]) && (text_[at_] != '-' || joins()))
        ++at_;
    return text_.substr(start, at_ - start);
}

std::string_view Scanner::take_number() noexcept {
    skip_space();
    const std::size_t start = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    // Signs belong to it only as an exponent's.
    const auto in_number = [this, start](char byte) noexcept {
        if (is_digit(byte) || is_letter(byte) || byte == '.' || byte == 'E') return true;
        return (byte == '-' || byte == '+') && at_ >= start + 2 && is_digit(text_[at_ - 2]) &&
               (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
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

Parsed<std::string> Scanner::take_raw(Raw kind, bool& quoted) {
    quoted = peek() == '\'';
    if (quoted) return take_quoted();
    const std::size_t start = at_;
    std::size_t depth = 0;
    char inside = '\0';  // what ends the quote or bracket at hand
    for (; at_ < text_.size(); ++at_) {
        const char byte = text_[at_];
        const bool escapes = kind == Raw::Listed ? inside == '\'' : kind != Raw::Plain;
        if (byte == '\\' && escapes && at_ + 1 < text_.size()) {
            ++at_;
        } else if (kind == Raw::Plain || kind == Raw::Glob) {
            if (byte == '|') break;
        } else if (inside != '\0') {
            if (byte == inside) inside = '\0';
        } else if (byte == '[' || (byte == '\'' && kind == Raw::Listed)) {
            inside = byte == '[' ? ']' : byte;
        } else if (byte == '(') {
            ++depth;
        } else if (byte == ')') {
            depth -= std::min<std::size_t>(depth, 1);
        } else if (depth == 0 && (byte == '|' || (byte == ',' && kind == Raw::Listed))) {
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
