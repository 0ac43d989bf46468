#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

/// The bytes of a shard file, format version 1. Every number is little endian; nothing is padded.
///
///     file   = FileHeader  block*  FileFooter
///     block  = BlockHeader  stored bytes (codec applied to the records)
///     record = key bytes:u16  bits:u8  fields:u8  value bytes:u32
///              [exptime:u32] [client flags:u32] [cas:u64]     each if its bit in `fields` is set
///              key  value
///
/// Checksums are XXH3 (64 bits), seeded with what the bytes are and where they belong (seed_of): a
/// block moved within its file, to another file or to another snapshot fails its checksum.
namespace shardmill::snapshot {

inline constexpr std::uint32_t kFormatVersion = 1;

template <std::unsigned_integral Number>
constexpr Number little_endian(Number value) noexcept {
    if constexpr (std::endian::native == std::endian::big) return std::byteswap(value);
    return value;
}

template <std::unsigned_integral Number>
Number load_le(const char* from) noexcept {
    Number value;
    std::memcpy(&value, from, sizeof value);
    return little_endian(value);
}

template <std::unsigned_integral Number>
void store_le(char* to, Number value) noexcept {
    value = little_endian(value);
    std::memcpy(to, &value, sizeof value);
}

/// First in the file.
struct FileHeader {
    static constexpr std::size_t kBytes = 40;
    static constexpr std::uint64_t kMagic = 0x50414e534c4d4853;  // "SHMLSNAP"

    std::uint32_t version = kFormatVersion;  // at 8, behind the magic
    std::uint32_t file = 0;                  // 12: its number in the snapshot
    std::uint64_t id = 0;                    // 16: of the snapshot
    std::uint32_t kind = 0;                  // 24: 1 contents, 2 result
    std::uint32_t reserved = 0;              // 28: zero
    std::uint64_t checksum = 0;  // 32: of the bytes before it, seeded with the role alone
};
static_assert(FileHeader::kBytes == 8 + 4 + 4 + 8 + 4 + 4 + 8);

/// In front of every block.
struct BlockHeader {
    static constexpr std::size_t kBytes = 40;
    static constexpr std::uint32_t kMagic = 0x4b434c42;  // "BLCK"

    std::uint32_t codec = 0;             // 4, behind the magic: 0 none, 1 zstd
    std::uint32_t stored_bytes = 0;      // 8: that follow this header
    std::uint32_t raw_bytes = 0;         // 12: of the records; the same without a codec
    std::uint32_t items = 0;             // 16: records, at least one
    std::uint32_t reserved = 0;          // 20: zero
    std::uint64_t payload_checksum = 0;  // 24: of the stored bytes
    std::uint64_t checksum = 0;          // 32: of the header's bytes before it
};
static_assert(BlockHeader::kBytes == 4 + 4 + 4 + 4 + 4 + 4 + 8 + 8);

/// Last in the file.
struct FileFooter {
    static constexpr std::size_t kBytes = 64;
    static constexpr std::uint32_t kMagic = 0x544f4f46;  // "FOOT"

    std::uint32_t file = 0;         // 4, behind the magic
    std::uint64_t items = 0;        // 8
    std::uint64_t key_bytes = 0;    // 16
    std::uint64_t value_bytes = 0;  // 24
    std::uint64_t blocks = 0;       // 32
    std::uint64_t file_bytes = 0;   // 40: of the whole file, this footer included
    std::uint64_t block_chain =
        0;  // 48: every block header's checksum chained to the one before (chain_block)
    std::uint64_t checksum = 0;  // 56: of the bytes before it; the manifest repeats it
};
static_assert(FileFooter::kBytes == 4 + 4 + 8 * 7);

/// In front of every record.
struct RecordHead {
    static constexpr std::size_t kBytes = 8;      // without the optional fields
    static constexpr std::size_t kBytesMax = 24;  // with all of them

    // bits
    static constexpr std::uint8_t kStale = 1;
    static constexpr std::uint8_t kWin = 2;
    static constexpr std::uint8_t kBinaryKey = 4;
    static constexpr std::uint8_t kHit = 8;
    static constexpr std::uint8_t kAllBits = 15;
    // fields
    static constexpr std::uint8_t kHasExptime = 1;
    static constexpr std::uint8_t kHasFlags = 2;
    static constexpr std::uint8_t kHasCas = 4;
    static constexpr std::uint8_t kAllFields = 7;
};
static_assert(RecordHead::kBytesMax == 2 + 1 + 1 + 4 + 4 + 4 + 8);

// Limits. A reader refuses what is over them before it asks for memory.
inline constexpr std::uint32_t kContentsKeyBytesMax = 250;
inline constexpr std::uint32_t kResultKeyBytesMax = 0xffff;
inline constexpr std::uint32_t kValueBytesMax = 1u << 30;
/// A block with more than one item, and every compressed block, stays under this; a larger item has
/// a block of its own without a codec.
inline constexpr std::uint32_t kSharedBlockBytesMax = 64u << 20;
inline constexpr std::uint64_t kBlockBytesMax =
    std::uint64_t{kValueBytesMax} + kResultKeyBytesMax + RecordHead::kBytesMax;
static_assert(kBlockBytesMax < 0xffff'ffff, "block sizes are u32 in the file");
inline constexpr std::uint32_t kFilesMax = 65536;

enum class ChecksumRole : std::uint8_t { FileHeader = 1, BlockHeader, BlockPayload, Footer, Chain };

/// What a file's checksums are bound to.
struct FileSeed {
    std::uint64_t id = 0;
    std::uint32_t file = 0;
};

/// The seed for one checksum; `number` counts blocks from 0 and is 0 for what is not a block.
std::uint64_t seed_of(const FileSeed& seed, ChecksumRole role, std::uint64_t number) noexcept;

/// The chain over block headers starts with seed_of(seed, Chain, 0).
std::uint64_t chain_block(std::uint64_t chain, std::uint64_t block_header_checksum) noexcept;

/// Encoders fill in magic and checksum and set `checksum` in the argument.
std::array<char, FileHeader::kBytes> encode(FileHeader& header) noexcept;
std::array<char, BlockHeader::kBytes> encode(BlockHeader& header, std::uint64_t seed) noexcept;
std::array<char, FileFooter::kBytes> encode(FileFooter& footer, std::uint64_t seed) noexcept;

/// Decoders return nullptr and fill `out` when magic, checksum and reserved fields are right, else
/// what is wrong. A file header of another version is decoded as far as the version, so that it can
/// be reported.
const char* decode(std::span<const char, FileHeader::kBytes> bytes, FileHeader& out) noexcept;
const char* decode(std::span<const char, BlockHeader::kBytes> bytes, std::uint64_t seed,
                   BlockHeader& out) noexcept;
const char* decode(std::span<const char, FileFooter::kBytes> bytes, std::uint64_t seed,
                   FileFooter& out) noexcept;

}  // namespace shardmill::snapshot
