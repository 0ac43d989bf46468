#include "conformance/case_table.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "conformance/notation.h"

namespace shardmill::conformance {
namespace {

constexpr std::uint8_t kRequestMagic = 0x80;
constexpr std::uint8_t kReplyMagic = 0x81;

bool take(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) return false;
    const std::string_view rest = text.substr(word.size());
    if (!rest.empty() && rest[0] != ' ') return false;
    text = rest.substr(rest.empty() ? 0 : 1);
    return true;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        words.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

/// Reads the lines of one case, one after the other.
class CaseReader {
 public:
    explicit CaseReader(Case& into) : case_(into) {}

    void read(std::string_view line) {
        // What is said of memcached's versions.
        if (line.starts_with('[') || take(line, "differs") || take(line, "lacks")) return;
        if (take(line, "needs")) {
            case_.needs = words_of(line);
        } else if (take(line, "only")) {
            case_.needs_sockets = case_.needs_sockets || line.starts_with("sockets");
        } else if (take(line, "wait")) {
            case_.exchanges.push_back(
                {.wait = static_cast<std::uint32_t>(std::stoul(std::string(line)))});
            answered_ = true;
        } else if (line.starts_with('>')) {
            read_request(line);
        } else {
            read_reply(line);
        }
    }

 private:
    void read_request(std::string_view line) {
        if (answered_ || case_.exchanges.empty()) case_.exchanges.emplace_back();
        answered_ = false;
        std::vector<Piece>& send = case_.exchanges.back().send;
        if (take(line, ">b")) {
            append(send, parse_packet_notation(line, kRequestMagic));
        } else if (take(line, ">|")) {
            append(send, parse_text_notation(line));
        } else if (take(line, ">")) {
            append(send, parse_text_notation(std::string(line) + "\\r\\n"));
        } else {
            throw std::runtime_error("what is " + std::string(line));
        }
    }
    void read_reply(std::string_view line) {
        if (case_.exchanges.empty()) throw std::runtime_error("a reply to nothing");
        answered_ = true;
        Exchange& exchange = case_.exchanges.back();
        if (take(line, "<b")) {
            append(exchange.reply, parse_packet_notation(line, kReplyMagic));
        } else if (take(line, "<|")) {
            append(exchange.reply, parse_text_notation(line));
        } else if (take(line, "<*")) {
            exchange.reply.push_back({.kind = Piece::Kind::Lines});
        } else if (take(line, "<closed")) {
            exchange.closes = true;
        } else if (take(line, "<")) {
            append(exchange.reply, parse_text_notation(std::string(line) + "\\r\\n"));
        } else if (!take(line, "<nothing") && !take(line, "<stop")) {
            throw std::runtime_error("what is " + std::string(line));
        }
    }

    Case& case_;
    bool answered_ = true;
};

void read_table(const std::filesystem::path& path, std::vector<Case>& cases) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    std::optional<CaseReader> reader;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line[0] == '#') continue;
        std::string_view rest = line;
        try {
            if (take(rest, "case")) {
                cases.push_back(
                    {.table = path.stem().string(), .name = std::string(rest), .line = number});
                reader.emplace(cases.back());
            } else {
                reader.value().read(line);
            }
        } catch (const std::exception& problem) {
            throw std::runtime_error(path.string() + ":" + std::to_string(number) + ": " +
                                     problem.what());
        }
    }
}

std::string value_text(const Piece& piece, std::uint64_t base) {
    const std::uint64_t value = base + static_cast<std::uint64_t>(piece.offset);
    if (piece.kind != Piece::Kind::U64) return std::to_string(value);
    std::string text;
    for (int at = 7; at >= 0; --at) text += static_cast<char>(value >> (8 * at));
    return text;
}

/// Where a piece that is not bound yet ends in `reply`; npos: it is not there.
std::size_t end_of_hole(const Piece& piece, std::string_view reply, std::size_t at) {
    std::size_t end = at;
    const auto while_holds = [&](auto holds) {
        while (end < reply.size() && holds(reply[end])) ++end;
    };
    switch (piece.kind) {
        case Piece::Kind::U64:
            return at + 8 <= reply.size() ? at + 8 : std::string_view::npos;
        case Piece::Kind::Rest:
            while_holds([](char byte) { return byte != '\r' && byte != '\n'; });
            return end;
        case Piece::Kind::Word:
            while_holds([](char byte) { return byte != ' ' && byte != '\r' && byte != '\n'; });
            break;
        default:
            if (end < reply.size() && reply[end] == '-') ++end;
            while_holds([](char byte) { return byte >= '0' && byte <= '9'; });
    }
    return end == at ? std::string_view::npos : end;
}

void bind(const Piece& piece, std::string_view bytes, Bound& bound) {
    std::uint64_t value = 0;
    if (piece.kind == Piece::Kind::U64) {
        for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    } else {
        value = std::stoull(std::string(bytes));
    }
    bound.emplace(piece.name, value);
}

/// Where `piece` ends in `reply` if it stands at `at`; npos: it does not.
std::size_t end_of(const Piece& piece, std::string_view reply, std::size_t at, Bound& bound) {
    const auto seen = bound.find(piece.name);
    const bool number = piece.kind == Piece::Kind::Number || piece.kind == Piece::Kind::U64;
    if (piece.kind != Piece::Kind::Bytes && !(number && seen != bound.end())) {
        const std::size_t end = end_of_hole(piece, reply, at);
        if (end != std::string_view::npos && !piece.name.empty())
            bind(piece, reply.substr(at, end - at), bound);
        return end;
    }
    const std::string wanted =
        piece.kind == Piece::Kind::Bytes ? piece.bytes : value_text(piece, seen->second);
    return reply.substr(at).starts_with(wanted) ? at + wanted.size() : std::string_view::npos;
}

}  // namespace

std::vector<Case> read_cases(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> tables;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() == ".txt") tables.push_back(entry.path());
    }
    std::ranges::sort(tables);
    std::vector<Case> cases;
    for (const auto& table : tables) read_table(table, cases);
    return cases;
}

std::string render(const std::vector<Piece>& pieces, const Bound& bound, std::int64_t now) {
    std::string text;
    for (const Piece& piece : pieces) {
        if (piece.kind == Piece::Kind::Bytes) {
            text += piece.bytes;
        } else if (piece.kind == Piece::Kind::Now) {
            text += std::to_string(now + piece.offset);
        } else {
            text += value_text(piece, bound.at(piece.name));
        }
    }
    return text;
}

std::string difference(const std::vector<Piece>& wanted, std::string_view reply, Bound& bound) {
    std::size_t at = 0;
    bool skip_lines = false;
    for (const Piece& piece : wanted) {
        if (piece.kind == Piece::Kind::Lines) {
            skip_lines = true;
            continue;
        }
        std::size_t end = end_of(piece, reply, at, bound);
        while (skip_lines && end == std::string_view::npos) {
            const std::size_t line_end = reply.find('\n', at);
            if (line_end == std::string_view::npos) break;
            at = line_end + 1;
            end = end_of(piece, reply, at, bound);
        }
        skip_lines = false;
        if (end == std::string_view::npos)
            return "wanted " + shown(piece.bytes + piece.name) + " at " + std::to_string(at);
        at = end;
    }
    return at == reply.size() ? "" : "nothing more wanted at " + std::to_string(at);
}

std::string shown(std::string_view bytes) {
    constexpr std::size_t kShown = 600;
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes.substr(0, kShown)) {
        if (byte == '\r' || byte == '\n') {
            text += byte == '\r' ? "\\r" : "\\n";
        } else if (std::isprint(static_cast<unsigned char>(byte)) != 0) {
            text += byte;
        } else {
            const auto code = static_cast<unsigned char>(byte);
            text += {'\\', 'x', kDigits[code >> 4], kDigits[code & 15]};
        }
    }
    if (bytes.size() > kShown) text += "... (" + std::to_string(bytes.size()) + " bytes)";
    return text;
}

}  // namespace shardmill::conformance
