#include "snapshot/shard_file_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardmill::snapshot {

ShardFileReader::ShardFileReader(std::string path, std::unique_ptr<uring::File> file,
                                 const FileSeed& seed, std::uint64_t block_bytes_max)
    : path_(std::move(path)),
      file_(std::move(file)),
      seed_(seed),
      block_bytes_max_(std::min(block_bytes_max, kBlockBytesMax)),
      chain_(seed_of(seed_, ChecksumRole::Chain, 0)) {}

Result<std::unique_ptr<ShardFileReader>> ShardFileReader::open(uring::FileSystem& fs,
                                                               std::string path,
                                                               const Manifest& manifest,
                                                               std::uint32_t file,
                                                               std::uint64_t block_bytes_max) {
    auto opened = fs.open(path);
    if (!opened) return fail(opened.error());
    std::unique_ptr<ShardFileReader> reader(new ShardFileReader(
        std::move(path), std::move(*opened), {.id = manifest.id, .file = file}, block_bytes_max));
    if (auto result = reader->read_frame(manifest.kind, manifest.files[file]); !result) {
        return std::unexpected(result.error());
    }
    return reader;
}

std::unexpected<Error> ShardFileReader::bad(std::uint64_t offset, std::string_view why) const {
    return fail(ErrorKind::Corrupt, fmt::format("{} at byte {}: {}", path_, offset, why));
}

std::unexpected<Error> ShardFileReader::bad_record(std::uint64_t record_offset,
                                                   std::string_view why) const {
    return bad(block_offset_,
               fmt::format("{} (byte {} of this block's records)", why, record_offset));
}

Result<void> ShardFileReader::read_exactly(std::uint64_t offset, std::span<char> out) const {
    const auto count = file_->read_at(offset, out);
    if (!count) return fail(count.error());
    if (*count != out.size()) return bad(offset + *count, "the file is cut off");
    return {};
}

Result<void> ShardFileReader::read_frame(Kind kind, const FileEntry& entry) {
    const auto size = file_->size();
    if (!size) return fail(size.error());
    if (*size != entry.totals.file_bytes) {
        return bad(*size, fmt::format("the file ends here, the manifest says at {}",
                                      entry.totals.file_bytes));
    }
    if (*size < FileHeader::kBytes + FileFooter::kBytes) return bad(*size, "the file is cut off");

    std::array<char, FileHeader::kBytes> head;
    if (auto result = read_exactly(0, head); !result) return result;
    FileHeader header;
    if (const char* why = decode(head, header); why != nullptr) return bad(0, why);
    if (header.version != kFormatVersion) {
        return fail(ErrorKind::Version,
                    fmt::format("{}: format version {} is not known to this build (it reads {})",
                                path_, header.version, kFormatVersion));
    }
    if (header.id != seed_.id || header.kind != static_cast<std::uint32_t>(kind)) {
        return bad(0, "the file belongs to another snapshot");
    }
    if (header.file != seed_.file) return bad(0, "the file has another one's name");

    std::array<char, FileFooter::kBytes> tail;
    blocks_end_ = *size - FileFooter::kBytes;
    if (auto result = read_exactly(blocks_end_, tail); !result) return result;
    if (const char* why = decode(tail, seed_of(seed_, ChecksumRole::Footer, 0), footer_);
        why != nullptr) {
        return bad(blocks_end_, why);
    }
    const Totals totals{.items = footer_.items,
                        .key_bytes = footer_.key_bytes,
                        .value_bytes = footer_.value_bytes,
                        .blocks = footer_.blocks,
                        .file_bytes = footer_.file_bytes};
    if (footer_.file != seed_.file || footer_.checksum != entry.checksum ||
        totals != entry.totals) {
        return bad(blocks_end_, "the footer does not agree with the manifest");
    }
    offset_ = FileHeader::kBytes;
    return {};
}

const char* ShardFileReader::reason_refused(const BlockHeader& header) const noexcept {
    if (header.stored_bytes > blocks_end_ - block_offset_ - BlockHeader::kBytes) {
        return "the block is longer than the file";
    }
    if (header.stored_bytes > block_bytes_max_ || header.raw_bytes > block_bytes_max_) {
        return "the block is over the size limit";
    }
    if (header.codec == static_cast<std::uint32_t>(Codec::None)) {
        if (header.raw_bytes != header.stored_bytes) return "the block's sizes do not agree";
    } else if (header.codec != static_cast<std::uint32_t>(Codec::Zstd)) {
        return "the block's codec is not known";
    } else if (header.raw_bytes > kSharedBlockBytesMax) {
        return "the block is over the size limit";
    }
    if (header.raw_bytes > kSharedBlockBytesMax && header.items != 1) {
        return "the block is over the size limit";
    }
    if (header.items == 0 || header.items > header.raw_bytes / RecordHead::kBytes) {
        return "the block cannot hold that many items";
    }
    return nullptr;
}

Result<BlockHeader> ShardFileReader::next_block() {
    block_offset_ = offset_;
    if (blocks_end_ - block_offset_ < BlockHeader::kBytes) {
        return bad(block_offset_, "the block is longer than the file");
    }
    std::array<char, BlockHeader::kBytes> bytes;
    if (auto result = read_exactly(block_offset_, bytes); !result) {
        return std::unexpected(result.error());
    }
    const char* why = decode(bytes, seed_of(seed_, ChecksumRole::BlockHeader, blocks_), header_);
    if (why == nullptr) why = reason_refused(header_);
    if (why != nullptr) return bad(block_offset_, why);
    chain_ = chain_block(chain_, header_.checksum);
    ++blocks_;
    offset_ = block_offset_ + BlockHeader::kBytes + header_.stored_bytes;
    return header_;
}

Result<std::span<const char>> ShardFileReader::records() {
    if (stored_capacity_ < header_.stored_bytes) {
        stored_.reset();
        stored_ = std::make_unique_for_overwrite<char[]>(header_.stored_bytes);
        stored_capacity_ = header_.stored_bytes;
    }
    const std::span<char> stored(stored_.get(), header_.stored_bytes);
    if (auto result = read_exactly(block_offset_ + BlockHeader::kBytes, stored); !result) {
        return std::unexpected(result.error());
    }
    const std::uint64_t seed = seed_of(seed_, ChecksumRole::BlockPayload, blocks_ - 1);
    if (payload_checksum(seed, stored, {}) != header_.payload_checksum) {
        return bad(block_offset_, "the block's checksum is wrong");
    }
    const std::span<const char> records = decoder_.records(header_, stored);
    if (records.empty()) return bad(block_offset_, "the block cannot be decompressed");
    return records;
}

Result<void> ShardFileReader::finish() const {
    if (blocks_ == footer_.blocks && chain_ == footer_.block_chain) return {};
    return bad(blocks_end_, "the blocks do not add up to the footer's totals");
}

Result<void> ShardFileReader::finish(const Totals& seen) const {
    if (seen.items != footer_.items || seen.key_bytes != footer_.key_bytes ||
        seen.value_bytes != footer_.value_bytes) {
        return bad(blocks_end_, "the items do not add up to the footer's totals");
    }
    return finish();
}

}  // namespace shardmill::snapshot
