#include "compute/glob.h"

namespace shardmill::compute {

std::expected<Glob, Glob::Error> Glob::compile(std::string_view pattern) {
    Glob glob;
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        switch (pattern[at]) {
            case '*':
                if (glob.pieces_.empty() || glob.pieces_.back().kind != Kind::Run)
                    glob.pieces_.push_back({Kind::Run});
                break;
            case '?':
                glob.pieces_.push_back({Kind::Any});
                break;
            case '[': {
                const auto end = glob.add_set(pattern, at);
                if (!end) return std::unexpected(end.error());
                at = *end;
                break;
            }
            case '\\':
                if (++at == pattern.size())
                    return std::unexpected(Error{at - 1, "nothing follows the backslash"});
                [[fallthrough]];
            default:
                glob.pieces_.push_back({Kind::Byte, static_cast<unsigned char>(pattern[at])});
                break;
        }
    }
    return glob;
}

/// Reads the set that opens at `at`; returns where it closes.
std::expected<std::size_t, Glob::Error> Glob::add_set(std::string_view pattern, std::size_t at) {
    const std::size_t open = at++;
    const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
    if (negated) ++at;
    Set set;
    for (bool first = true; at < pattern.size() && (first || pattern[at] != ']');
         first = false, ++at) {
        if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
        const auto low = static_cast<unsigned char>(pattern[at]);
        auto high = low;
        if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
            at += 2;
            if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
            high = static_cast<unsigned char>(pattern[at]);
        }
        if (low > high) return std::unexpected(Error{at, "the range ends before it begins"});
        for (unsigned byte = low; byte <= high; ++byte)
            set.bits[byte >> 6] |= std::uint64_t{1} << (byte & 63);
    }
    if (at >= pattern.size()) return std::unexpected(Error{open, "the set is not closed by ]"});
    if (negated) {
        for (std::uint64_t& bits : set.bits) bits = ~bits;
    }
    pieces_.push_back({Kind::Set, 0, static_cast<std::uint32_t>(sets_.size())});
    sets_.push_back(set);
    return at;
}

bool Glob::matches_one(const Piece& piece, unsigned char byte) const noexcept {
    switch (piece.kind) {
        case Kind::Byte:
            return piece.byte == byte;
        case Kind::Set:
            return sets_[piece.set].has(byte);
        case Kind::Any:
            return true;
        case Kind::Run:
            return false;
    }
    return false;
}

bool Glob::matches(std::string_view key) const noexcept {
    std::size_t piece = 0;
    std::size_t at = 0;
    std::size_t run = pieces_.size();  // the last run passed, and where in the key it ended so far
    std::size_t run_end = 0;
    while (at < key.size()) {
        if (piece < pieces_.size() && pieces_[piece].kind == Kind::Run) {
            run = piece++;
            run_end = at;
        } else if (piece < pieces_.size() &&
                   matches_one(pieces_[piece], static_cast<unsigned char>(key[at]))) {
            ++piece;
            ++at;
        } else if (run < pieces_.size()) {
            piece = run + 1;
            at = ++run_end;
        } else {
            return false;
        }
    }
    while (piece < pieces_.size() && pieces_[piece].kind == Kind::Run) ++piece;
    return piece == pieces_.size();
}

}  // namespace shardmill::compute
