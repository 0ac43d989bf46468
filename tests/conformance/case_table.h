#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::conformance {

/// Some of what is sent or expected: bytes, or a place whose bytes are known only while a case
/// runs.
struct Piece {
    enum class Kind {
        Bytes,
        Number,  // decimal
        U64,     // eight bytes, big endian
        Word,
        Rest,   // of the line
        Lines,  // any whole lines
        Now,    // Unix time
    };
    Kind kind = Kind::Bytes;
    std::string bytes;
    std::string name;         // what a number is bound to on first sight; empty: any number
    std::int64_t offset = 0;  // added to what is bound, or to now
};

/// The numbers that a case has seen so far.
using Bound = std::map<std::string, std::uint64_t>;

/// What is sent at once, and what must come back for it.
struct Exchange {
    std::vector<Piece> send;
    std::vector<Piece> reply;
    bool closes = false;     // the connection is closed behind the reply
    std::uint32_t wait = 0;  // seconds that pass, instead of anything being sent
};

/// One conversation of a table, as this project must hold it.
struct Case {
    std::string table;
    std::string name;
    int line = 0;
    std::vector<std::string> needs;  // options of the server; "fresh": a server of its own
    bool needs_sockets = false;
    std::vector<Exchange> exchanges;
};

/// Every case of every table in `directory`. The format is described in README.md. Throws
/// std::runtime_error about what cannot be read.
std::vector<Case> read_cases(const std::filesystem::path& directory);

std::string render(const std::vector<Piece>& pieces, const Bound& bound, std::int64_t now);

/// Compares a whole reply; binds numbers seen for the first time. Empty, or what is different.
std::string difference(const std::vector<Piece>& wanted, std::string_view reply, Bound& bound);

/// Bytes in the notation of the tables, on one line.
std::string shown(std::string_view bytes);

}  // namespace shardmill::conformance
