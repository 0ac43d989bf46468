#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "snapshot/error.h"

namespace shardmill::snapshot {

enum class Kind : std::uint8_t {
    Contents = 1,  // what the cache held: snap-<utc>-<id>
    Result = 2,    // what a job found: result-<job>
};

enum class Codec : std::uint8_t {
    None = 0,
    Zstd = 1,
};

/// What one shard file, or all of them, hold.
struct Totals {
    std::uint64_t items = 0;
    std::uint64_t key_bytes = 0;
    std::uint64_t value_bytes = 0;
    std::uint64_t blocks = 0;
    std::uint64_t file_bytes = 0;

    Totals& operator+=(const Totals& other) noexcept;
    bool operator==(const Totals&) const = default;
};

/// One shard file as the manifest lists it. Its name follows from its number.
struct FileEntry {
    Totals totals;
    std::uint64_t checksum = 0;  // the footer's: over the checksums of all blocks

    bool operator==(const FileEntry&) const = default;
};

/// The list of what belongs to a snapshot or result; a directory without one is an interrupted
/// save.
struct Manifest {
    Kind kind = Kind::Contents;
    std::string name{};             // of the directory
    std::uint64_t id = 0;           // random, never 0; part of every checksum in the shard files
    std::uint64_t created = 0;      // unix seconds: of the cut
    std::uint32_t shards = 0;       // of the server that wrote it; loading works for any number
    std::uint64_t highest_cas = 0;  // the store must go on above
    Codec codec = Codec::None;      // asked for; every block says its own
    std::vector<std::pair<std::string, std::string>>
        facts{};                     // configuration, a job's pipeline and figures, ...
    std::vector<FileEntry> files{};  // shard-0000, shard-0001, ...

    Totals totals() const noexcept;
    /// The value of a fact, empty if it is not there.
    std::string_view fact(std::string_view fact_name) const noexcept;

    bool operator==(const Manifest&) const = default;
};

/// Text, one fact a line; the last line carries a checksum of all before it.
std::string format_manifest(const Manifest& manifest);

/// `path` is for error messages only. Trusts nothing.
Result<Manifest> parse_manifest(std::string_view text, std::string_view path);

/// "shard-0007"
std::string shard_file_name(std::uint32_t file);

}  // namespace shardmill::snapshot
