#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "snapshot/format.h"
#include "snapshot/item.h"
#include "snapshot/manifest.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace shardmill::snapshot {

/// Size of the item's record.
std::uint64_t record_bytes(const Item& item) noexcept;

/// Writes everything of the record but key and value at `out` (room for RecordHead::kBytesMax) and
/// returns the end.
char* encode_record_head(const Item& item, char* out) noexcept;

/// Checksum of the stored bytes of a block, given in two parts.
std::uint64_t payload_checksum(std::uint64_t seed, std::span<const char> head,
                               std::span<const char> tail) noexcept;

/// Gathers records of one block.
class BlockEncoder {
 public:
    /// `level` is zstd's.
    BlockEncoder(Codec codec, int level);
    ~BlockEncoder();

    /// The caller keeps the sum of records under kSharedBlockBytesMax.
    void add(const Item& item);
    std::uint64_t raw_bytes() const noexcept { return used_; }
    std::uint32_t items() const noexcept { return items_; }

    struct Stored {
        Codec codec;
        std::span<const char> bytes;  // valid until the next call
    };
    /// What is to be stored: compressed if that is asked for and saves space.
    Stored encode();
    std::uint64_t memory_bytes() const noexcept;
    /// Empty again; memory beyond `keep_bytes` is given back.
    void clear(std::uint64_t keep_bytes);

 private:
    void reserve(std::uint64_t bytes);

    struct ContextDelete {
        void operator()(ZSTD_CCtx_s* context) const noexcept;
    };
    const Codec codec_;
    const int level_;
    std::unique_ptr<ZSTD_CCtx_s, ContextDelete> context_;
    std::unique_ptr<char[]> raw_;  // not a vector: growing must not write zeros first
    std::uint64_t capacity_ = 0;
    std::uint64_t used_ = 0;
    std::uint32_t items_ = 0;
    std::unique_ptr<char[]> compressed_;
    std::uint64_t compressed_capacity_ = 0;
};

/// Turns stored bytes whose checksum is right back into records.
class BlockDecoder {
 public:
    BlockDecoder();
    ~BlockDecoder();

    /// The records' bytes, valid until the next call; empty if they do not decompress to exactly
    /// header.raw_bytes.
    std::span<const char> records(const BlockHeader& header, std::span<const char> stored);

 private:
    struct ContextDelete {
        void operator()(ZSTD_DCtx_s* context) const noexcept;
    };
    std::unique_ptr<ZSTD_DCtx_s, ContextDelete> context_;
    std::unique_ptr<char[]> raw_;
    std::uint64_t capacity_ = 0;
};

/// Takes records one by one out of a block.
class RecordParser {
 public:
    RecordParser(Kind kind, std::span<const char> records) : kind_(kind), records_(records) {}

    bool done() const noexcept { return at_ == records_.size(); }
    /// Where the next record starts.
    std::uint64_t offset() const noexcept { return at_; }
    /// nullptr and the next item, or what is wrong with it.
    const char* next(Item& item) noexcept;

 private:
    const Kind kind_;
    const std::span<const char> records_;
    std::uint64_t at_ = 0;
};

}  // namespace shardmill::snapshot
