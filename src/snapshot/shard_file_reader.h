#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "snapshot/block.h"
#include "snapshot/error.h"
#include "snapshot/format.h"
#include "snapshot/manifest.h"
#include "uring/file.h"

namespace shardmill::snapshot {

/// Goes through one shard file block by block. One thread. Blocks on the disk.
class ShardFileReader {
 public:
    /// Checks the file's size, header and footer against the manifest.
    static Result<std::unique_ptr<ShardFileReader>> open(uring::FileSystem& fs, std::string path,
                                                         const Manifest& manifest,
                                                         std::uint32_t file,
                                                         std::uint64_t block_bytes_max);

    /// Behind the last block? Then `finish` says whether the totals are right.
    bool at_end() const noexcept { return offset_ == blocks_end_; }
    /// The next block's header, checked. Its records may be left out by going on to the next one.
    Result<BlockHeader> next_block();
    const BlockHeader& header() const noexcept { return header_; }
    /// Reads the block, checks and decompresses it. Valid until the next call.
    Result<std::span<const char>> records();
    /// After the last block: is what was seen what the footer says?
    Result<void> finish(const Totals& seen) const;
    /// The same where not all records were looked at.
    Result<void> finish() const;

    /// An error at byte `offset` of the records of the block read last.
    std::unexpected<Error> bad_record(std::uint64_t record_offset, std::string_view why) const;

 private:
    ShardFileReader(std::string path, std::unique_ptr<uring::File> file, const FileSeed& seed,
                    std::uint64_t block_bytes_max);

    Result<void> read_frame(Kind kind, const FileEntry& entry);
    Result<void> read_exactly(std::uint64_t offset, std::span<char> out) const;
    const char* reason_refused(const BlockHeader& header) const noexcept;
    std::unexpected<Error> bad(std::uint64_t offset, std::string_view why) const;

    const std::string path_;
    const std::unique_ptr<uring::File> file_;
    const FileSeed seed_;
    const std::uint64_t block_bytes_max_;
    FileFooter footer_;
    std::uint64_t blocks_end_ = 0;
    std::uint64_t offset_ = 0;        // of the next block
    std::uint64_t block_offset_ = 0;  // of the present one
    std::uint64_t blocks_ = 0;
    std::uint64_t chain_ = 0;
    BlockHeader header_;
    std::unique_ptr<char[]> stored_;
    std::uint64_t stored_capacity_ = 0;
    BlockDecoder decoder_;
};

}  // namespace shardmill::snapshot
