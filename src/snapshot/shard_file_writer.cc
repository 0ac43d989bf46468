#include "snapshot/shard_file_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "snapshot/writer.h"

namespace shardmill::snapshot {

namespace {

/// Larger items are not compressed: they would have to be held in memory, twice.
constexpr std::uint64_t kCompressedItemMax = 4u << 20;
static_assert(kCompressedItemMax <= kSharedBlockBytesMax);
/// What is written at once: without a codec the disk sets the pace, and takes large writes faster.
constexpr std::size_t kPlainRoom = 1u << 20;
constexpr std::size_t kCompressedRoom = 256u << 10;
/// Records that can be put together in the output itself.
constexpr std::uint64_t kInPlaceMax = kPlainRoom - BlockHeader::kBytes;

std::string_view reason_refused(const Item& item, Kind kind) noexcept {
    if (kind == Kind::Contents && item.key.empty()) return "an item without a key";
    const std::size_t key_max = kind == Kind::Contents ? kContentsKeyBytesMax : kResultKeyBytesMax;
    if (item.key.size() > key_max) return "a key over the format's limit";
    if (item.value.size() > kValueBytesMax) return "a value over the format's limit";
    return {};
}

}  // namespace

ShardFileWriter::ShardFileWriter(SnapshotWriter& owner, std::uint32_t number,
                                 std::unique_ptr<uring::File> file)
    : owner_(owner),
      number_(number),
      seed_{.id = owner.manifest_.id, .file = number},
      file_(std::move(file)),
      output_(*file_, owner.options_.codec == Codec::None ? kPlainRoom : kCompressedRoom),
      chain_(seed_of(seed_, ChecksumRole::Chain, 0)) {
    if (owner.options_.codec == Codec::Zstd) compressor_.emplace(owner.options_.zstd_level);
}

ShardFileWriter::~ShardFileWriter() = default;

Result<void> ShardFileWriter::begin() {
    FileHeader header{
        .file = number_, .id = seed_.id, .kind = static_cast<std::uint32_t>(owner_.manifest_.kind)};
    return checked(output_.append(encode(header)));
}

Result<void> ShardFileWriter::checked(const uring::FileResult<void>& result) {
    if (result) return {};
    failed_ = true;
    return fail(result.error());
}

Result<void> ShardFileWriter::append(const Item& item) {
    SHARDMILL_ASSERT(!finished_);
    if (failed_) return fail(ErrorKind::Invalid, file_->path() + ": an earlier write failed");
    if (const std::string_view why = reason_refused(item, owner_.manifest_.kind); !why.empty()) {
        return fail(ErrorKind::Invalid, fmt::format("{}: {} cannot be kept", file_->path(), why));
    }
    const RecordShape shape(item);
    if (!block_.fits(shape)) {
        if (auto result = begin_block(shape.bytes); !result) return result;
    }
    if (block_.fits(shape)) {
        block_.add(item, shape);
    } else if (auto result = write_large_item(item, shape); !result) {
        return result;
    }
    ++entry_.totals.items;
    entry_.totals.key_bytes += item.key.size();
    entry_.totals.value_bytes += item.value.size();
    highest_cas_ = std::max(highest_cas_, item.cas);
    return {};
}

/// A new block whose first record has so many bytes; one without room if that is too large to share
/// a block.
Result<void> ShardFileWriter::begin_block(std::uint64_t bytes) {
    if (auto result = write_block(); !result) return result;
    std::uint64_t block_bytes = owner_.options_.block_bytes;
    if (compressor_) {
        if (bytes <= kCompressedItemMax) block_.begin(raw_.take(std::max(bytes, block_bytes)));
        return {};
    }
    block_bytes = std::min(block_bytes, kInPlaceMax);
    if (bytes > block_bytes) return {};
    const auto room = output_.room(BlockHeader::kBytes + block_bytes);
    if (!room) return checked(std::unexpected(room.error()));
    room_ = *room;
    block_.begin(room_.subspan(BlockHeader::kBytes));
    return {};
}

/// Writes the block that is being put together, if there is anything in it.
Result<void> ShardFileWriter::write_block() {
    if (block_.items() == 0) return {};
    const std::span<const char> records = block_.records();
    BlockHeader header{.codec = static_cast<std::uint32_t>(Codec::None),
                       .stored_bytes = static_cast<std::uint32_t>(records.size()),
                       .raw_bytes = static_cast<std::uint32_t>(records.size()),
                       .items = block_.items()};
    block_.begin({});
    if (!compressor_) {
        // They are in the output already, behind room for the header.
        std::ranges::copy(seal(header, records, {}), room_.data());
        output_.add(BlockHeader::kBytes + records.size());
        return {};
    }
    const std::span<const char> compressed = compressor_->compress(records);
    if (compressed.empty()) return write_payload(header, records, {});
    header.codec = static_cast<std::uint32_t>(Codec::Zstd);
    header.stored_bytes = static_cast<std::uint32_t>(compressed.size());
    return write_payload(header, compressed, {});
}

std::uint64_t ShardFileWriter::memory_bytes() const noexcept {
    return output_.memory_bytes() + raw_.capacity() +
           (compressor_ ? compressor_->memory_bytes() : 0);
}

Result<void> ShardFileWriter::write_large_item(const Item& item, const RecordShape& shape) {
    std::array<char, RecordHead::kBytesMax + kResultKeyBytesMax> head;
    char* end = encode_record_head(item, shape, head.data());
    end = std::ranges::copy(item.key, end).out;
    const auto head_bytes = static_cast<std::size_t>(end - head.data());
    BlockHeader header{.codec = static_cast<std::uint32_t>(Codec::None),
                       .stored_bytes = static_cast<std::uint32_t>(shape.bytes),
                       .raw_bytes = static_cast<std::uint32_t>(shape.bytes),
                       .items = 1};
    return write_payload(header, {head.data(), head_bytes}, item.value);
}

/// Gives the block its number and its place in the chain; returns its header as it is in the file.
std::array<char, BlockHeader::kBytes> ShardFileWriter::seal(BlockHeader& header,
                                                            std::span<const char> head,
                                                            std::span<const char> tail) noexcept {
    const std::uint64_t number = entry_.totals.blocks++;
    header.payload_checksum =
        payload_checksum(seed_of(seed_, ChecksumRole::BlockPayload, number), head, tail);
    const auto bytes = encode(header, seed_of(seed_, ChecksumRole::BlockHeader, number));
    chain_ = chain_block(chain_, header.checksum);
    return bytes;
}

Result<void> ShardFileWriter::write_payload(BlockHeader& header, std::span<const char> head,
                                            std::span<const char> tail) {
    const auto bytes = seal(header, head, tail);
    for (const std::span<const char> part : {std::span<const char>(bytes), head, tail}) {
        if (auto result = checked(output_.append(part)); !result) return result;
    }
    return {};
}

Result<void> ShardFileWriter::finish() {
    SHARDMILL_ASSERT(!finished_);
    if (failed_) return fail(ErrorKind::Invalid, file_->path() + ": an earlier write failed");
    if (auto result = write_block(); !result) return result;
    entry_.totals.file_bytes = output_.offset() + FileFooter::kBytes;
    FileFooter footer{.file = number_,
                      .items = entry_.totals.items,
                      .key_bytes = entry_.totals.key_bytes,
                      .value_bytes = entry_.totals.value_bytes,
                      .blocks = entry_.totals.blocks,
                      .file_bytes = entry_.totals.file_bytes,
                      .block_chain = chain_};
    const auto bytes = encode(footer, seed_of(seed_, ChecksumRole::Footer, 0));
    if (auto result = checked(output_.append(bytes)); !result) return result;
    if (auto result = checked(output_.flush()); !result) return result;
    if (auto result = checked(file_->sync()); !result) return result;
    entry_.checksum = footer.checksum;
    finished_ = true;
    owner_.file_finished(number_, entry_, highest_cas_);
    return {};
}

}  // namespace shardmill::snapshot
