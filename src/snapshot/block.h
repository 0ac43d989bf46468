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

/// Memory for a block: not a vector, because growing must not write zeros first.
class ScratchBytes {
 public:
    /// At least `bytes`; what was in it is lost. What is far too large is given back.
    std::span<char> take(std::uint64_t bytes);
    std::uint64_t capacity() const noexcept { return capacity_; }

 private:
    std::unique_ptr<char[]> memory_;
    std::uint64_t capacity_ = 0;
};

/// What an item's record looks like.
struct RecordShape {
    std::uint8_t fields = 0;  // RecordHead's bits
    std::uint32_t head_bytes = RecordHead::kBytes;
    std::uint64_t bytes = 0;  // of the whole record

    explicit RecordShape(const Item& item) noexcept {
        const auto has = [this](std::uint8_t field, std::uint32_t bytes_of_field) noexcept {
            fields = static_cast<std::uint8_t>(fields | field);
            head_bytes += bytes_of_field;
        };
        if (item.exptime != 0) has(RecordHead::kHasExptime, sizeof item.exptime);
        if (item.client_flags != 0) has(RecordHead::kHasFlags, sizeof item.client_flags);
        if (item.cas != 0) has(RecordHead::kHasCas, sizeof item.cas);
        bytes = head_bytes + item.key.size() + item.value.size();
    }
};

/// Writes everything of the record but key and value at `out` (room for `shape.head_bytes`) and
/// returns the end.
char* encode_record_head(const Item& item, const RecordShape& shape, char* out) noexcept;

/// Checksum of the stored bytes of a block, given in two parts.
std::uint64_t payload_checksum(std::uint64_t seed, std::span<const char> head,
                               std::span<const char> tail) noexcept;

/// Puts the records of one block together, in memory of its user's.
class BlockBuilder {
 public:
    /// A new block.
    void begin(std::span<char> room) noexcept;
    bool fits(const RecordShape& shape) const noexcept {
        return shape.bytes <= room_.size() - used_;
    }
    void add(const Item& item, const RecordShape& shape) noexcept;

    std::span<const char> records() const noexcept { return room_.first(used_); }
    std::uint32_t items() const noexcept { return items_; }

 private:
    std::span<char> room_;
    std::uint64_t used_ = 0;
    std::uint32_t items_ = 0;
};

/// Compresses blocks.
class BlockCompressor {
 public:
    /// `level` is zstd's. Throws std::bad_alloc.
    explicit BlockCompressor(int level);
    ~BlockCompressor();

    /// Valid until the next call; empty where it would save too little.
    std::span<const char> compress(std::span<const char> records);
    std::uint64_t memory_bytes() const noexcept;

 private:
    struct ContextDelete {
        void operator()(ZSTD_CCtx_s* context) const noexcept;
    };
    const std::unique_ptr<ZSTD_CCtx_s, ContextDelete> context_;
    ScratchBytes out_;
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
    ScratchBytes raw_;
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
