#include "conformance/notation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <stdexcept>
#include <string>
#include <utility>

namespace shardmill::conformance {
namespace {

constexpr std::pair<std::string_view, std::uint8_t> kOpcodes[] = {
    {"get", 0x00},       {"set", 0x01},        {"add", 0x02},        {"replace", 0x03},
    {"delete", 0x04},    {"increment", 0x05},  {"decrement", 0x06},  {"quit", 0x07},
    {"flush", 0x08},     {"getq", 0x09},       {"noop", 0x0a},       {"version", 0x0b},
    {"getk", 0x0c},      {"getkq", 0x0d},      {"append", 0x0e},     {"prepend", 0x0f},
    {"stat", 0x10},      {"setq", 0x11},       {"addq", 0x12},       {"replaceq", 0x13},
    {"deleteq", 0x14},   {"incrementq", 0x15}, {"decrementq", 0x16}, {"quitq", 0x17},
    {"flushq", 0x18},    {"appendq", 0x19},    {"prependq", 0x1a},   {"touch", 0x1c},
    {"gat", 0x1d},       {"gatq", 0x1e},       {"sasl_list", 0x20},  {"sasl_auth", 0x21},
    {"sasl_step", 0x22}, {"gatk", 0x23},       {"gatkq", 0x24},
};

std::uint64_t number(std::string_view text) {
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::runtime_error("not a number: " + std::string(text));
    return value;
}

std::string big_endian(std::uint64_t value, int bytes) {
    std::string text;
    for (int at = bytes - 1; at >= 0; --at) text += static_cast<char>(value >> (8 * at));
    return text;
}

Piece bytes_piece(std::string bytes) { return {.bytes = std::move(bytes)}; }

/// What stands between `<` and `>`.
std::vector<Piece> parse_hole(std::string_view inside) {
    if (std::isdigit(static_cast<unsigned char>(inside[0])) != 0) {
        if (inside.ends_with('s') &&
            inside.find('*') ==
                std::string_view::npos) {  // time left, on a clock that stands still
            return {bytes_piece(std::string(inside.substr(0, inside.size() - 1)))};
        }
        const std::size_t star = inside.find('*');
        const std::vector<Piece> once = parse_text_notation(inside.substr(star + 1));
        std::string all;
        for (std::uint64_t left = number(inside.substr(0, star)); left != 0; --left)
            all += once.empty() ? "" : once[0].bytes;
        return {bytes_piece(std::move(all))};
    }
    const std::size_t end = std::min(inside.find_first_of("+-"), inside.size());
    Piece piece{.kind = Piece::Kind::Number, .name = std::string(inside.substr(0, end))};
    if (end < inside.size()) {
        piece.offset = static_cast<std::int64_t>(number(inside.substr(end + 1)));
        if (inside[end] == '-') piece.offset = -piece.offset;
    }
    constexpr std::pair<std::string_view, Piece::Kind> kUnnamed[] = {
        {"number", Piece::Kind::Number},
        {"word", Piece::Kind::Word},
        {"rest", Piece::Kind::Rest},
        {"now", Piece::Kind::Now},
    };
    for (const auto& [word, kind] : kUnnamed) {
        if (piece.name != word) continue;
        piece.kind = kind;
        piece.name.clear();
        break;
    }
    return {std::move(piece)};
}

/// Takes an escape off `text`, which begins with a backslash.
char take_escape(std::string_view& text) {
    const char letter = text.at(1);
    if (letter == 'x') {
        const auto code = number("0x" + std::string(text.substr(2, 2)));
        text.remove_prefix(4);
        return static_cast<char>(code);
    }
    text.remove_prefix(2);
    switch (letter) {
        case 'r':
            return '\r';
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case '0':
            return '\0';
        default:
            return letter;
    }
}

bool opens_hole(std::string_view text) {
    return text.size() > 1 && text[0] == '<' &&
           (std::isdigit(static_cast<unsigned char>(text[1])) != 0 ||
            std::islower(static_cast<unsigned char>(text[1])) != 0);
}

/// The fields of a packet's notation.
class Fields {
 public:
    explicit Fields(std::string_view text) {
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t end = std::min(text.find(' ', begin), text.size());
            const std::string_view field = text.substr(begin, end - begin);
            const std::size_t equals = field.find('=');
            if (equals == std::string_view::npos)
                throw std::runtime_error("not a field: " + std::string(field));
            all_.emplace_back(field.substr(0, equals), field.substr(equals + 1));
            begin = end + 1;
        }
    }
    std::string_view text(std::string_view name) const {
        const auto found = std::ranges::find(all_, name, &Field::first);
        return found == all_.end() ? std::string_view{} : found->second;
    }
    std::uint64_t number_or(std::string_view name, std::uint64_t otherwise) const {
        const std::string_view value = text(name);
        return value.empty() ? otherwise : number(value);
    }
    std::string bytes(std::string_view name) const {
        const std::vector<Piece> pieces = parse_text_notation(text(name));
        return pieces.empty() ? std::string{} : pieces[0].bytes;
    }
    std::string extras() const {
        std::string extras;
        for (const auto& [name, value] : all_) {
            if (name == "flags" || name == "exptime") extras += big_endian(number(value), 4);
            if (name == "delta" || name == "initial") extras += big_endian(number(value), 8);
        }
        return extras + bytes("extras");
    }

 private:
    using Field = std::pair<std::string_view, std::string_view>;
    std::vector<Field> all_;
};

std::size_t size_of(const std::vector<Piece>& pieces) {
    std::size_t bytes = 0;
    for (const Piece& piece : pieces)
        bytes += piece.kind == Piece::Kind::Bytes ? piece.bytes.size() : 8;
    return bytes;
}

std::uint8_t opcode(std::string_view name) {
    const auto* const found =
        std::ranges::find(kOpcodes, name, &std::pair<std::string_view, std::uint8_t>::first);
    return found == std::end(kOpcodes) ? static_cast<std::uint8_t>(number(name)) : found->second;
}

}  // namespace

void append(std::vector<Piece>& pieces, std::vector<Piece> more) {
    for (Piece& piece : more) {
        const bool bytes = piece.kind == Piece::Kind::Bytes;
        if (bytes && !pieces.empty() && pieces.back().kind == Piece::Kind::Bytes) {
            pieces.back().bytes += piece.bytes;
        } else {
            pieces.push_back(std::move(piece));
        }
    }
}

std::vector<Piece> parse_text_notation(std::string_view text) {
    std::vector<Piece> pieces;
    while (!text.empty()) {
        if (opens_hole(text)) {
            const std::size_t end = text.find('>');
            append(pieces, parse_hole(text.substr(1, end - 1)));
            text.remove_prefix(end + 1);
        } else if (text[0] == '\\') {
            append(pieces, {bytes_piece(std::string(1, take_escape(text)))});
        } else {
            append(pieces, {bytes_piece(std::string(1, text[0]))});
            text.remove_prefix(1);
        }
    }
    return pieces;
}

std::vector<Piece> parse_packet_notation(std::string_view text, std::uint8_t magic) {
    constexpr std::string_view kValue = " value=";
    std::vector<Piece> value;
    if (const std::size_t at = text.find(kValue); at != std::string_view::npos) {
        value = parse_text_notation(text.substr(at + kValue.size()));
        text = text.substr(0, at);
    }
    const std::size_t op_end = std::min(text.find(' '), text.size());
    const Fields fields(text.substr(std::min(op_end + 1, text.size())));
    if (!fields.text("u64").empty())
        value = {bytes_piece(big_endian(number(fields.text("u64")), 8))};
    const std::string extras = fields.extras();
    const std::string key = fields.bytes("key");

    std::string head = big_endian(fields.number_or("magic", magic), 1);
    head += static_cast<char>(opcode(text.substr(0, op_end)));
    head += big_endian(fields.number_or("keylen", key.size()), 2);
    head += big_endian(fields.number_or("extlen", extras.size()), 1);
    head += big_endian(fields.number_or("datatype", 0), 1);
    head += big_endian(fields.number_or("status", 0), 2);
    head += big_endian(fields.number_or("bodylen", extras.size() + key.size() + size_of(value)), 4);
    head += big_endian(fields.number_or("opaque", 0), 4);
    std::vector<Piece> pieces{bytes_piece(std::move(head))};
    const std::string_view cas = fields.text("cas");
    if (cas.starts_with('<')) {
        std::vector<Piece> hole = parse_text_notation(cas);
        hole[0].kind = Piece::Kind::U64;
        append(pieces, std::move(hole));
    } else {
        append(pieces, {bytes_piece(big_endian(fields.number_or("cas", 0), 8))});
    }
    if (!extras.empty() || !key.empty()) append(pieces, {bytes_piece(extras + key)});
    append(pieces, std::move(value));
    return pieces;
}

}  // namespace shardmill::conformance
