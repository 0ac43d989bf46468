#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "snapshot/block.h"
#include "snapshot/error.h"
#include "snapshot/item.h"
#include "snapshot/manifest.h"
#include "snapshot/output_buffer.h"
#include "uring/file.h"

namespace shardmill::snapshot {

class SnapshotWriter;

/// Writes one shard file: items into blocks, blocks to disk in large writes. One thread at a time;
/// made by SnapshotWriter::open_file. Blocks on the disk.
class ShardFileWriter {
 public:
    ~ShardFileWriter();
    ShardFileWriter(const ShardFileWriter&) = delete;
    ShardFileWriter& operator=(const ShardFileWriter&) = delete;

    /// The bytes are copied (or written) before it returns. Invalid: key or value over the format's
    /// limits, and nothing was written; any other error is final for the file.
    Result<void> append(const Item& item);

    /// Writes the rest and the footer and syncs. The snapshot can only be committed if this
    /// succeeded for all files.
    Result<void> finish();

    /// What was appended so far; file_bytes is final after `finish`.
    const Totals& totals() const noexcept { return entry_.totals; }
    /// Bytes that have gone into the file, buffered ones included.
    std::uint64_t file_bytes() const noexcept { return output_.offset(); }
    /// Held at present, buffers included.
    std::uint64_t memory_bytes() const noexcept;

 private:
    friend class SnapshotWriter;
    ShardFileWriter(SnapshotWriter& owner, std::uint32_t number, std::unique_ptr<uring::File> file);

    Result<void> begin();
    Result<void> begin_block(std::uint64_t bytes);
    Result<void> write_block();
    Result<void> write_large_item(const Item& item, const RecordShape& shape);
    Result<void> write_payload(BlockHeader& header, std::span<const char> head,
                               std::span<const char> tail);
    std::array<char, BlockHeader::kBytes> seal(BlockHeader& header, std::span<const char> head,
                                               std::span<const char> tail) noexcept;
    Result<void> checked(const uring::FileResult<void>& result);

    SnapshotWriter& owner_;
    const std::uint32_t number_;
    const FileSeed seed_;
    std::unique_ptr<uring::File> file_;
    OutputBuffer output_;
    std::optional<BlockCompressor> compressor_;
    ScratchBytes raw_;      // a block's records before they are compressed
    std::span<char> room_;  // without a codec: of the block, in the output
    BlockBuilder block_;    // in one of them
    std::uint64_t chain_;
    FileEntry entry_;
    std::uint64_t highest_cas_ = 0;
    bool failed_ = false;
    bool finished_ = false;
};

}  // namespace shardmill::snapshot
