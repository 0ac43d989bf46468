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
      output_(*file_),
      block_(owner.options_.codec, owner.options_.zstd_level),
      chain_(seed_of(seed_, ChecksumRole::Chain, 0)) {}

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
    const std::uint64_t bytes = record_bytes(item);
    if (block_.items() != 0 && block_.raw_bytes() + bytes > owner_.options_.block_bytes) {
        if (auto result = write_block(); !result) return result;
    }
    if (bytes > kCompressedItemMax) {
        if (auto result = write_large_item(item); !result) return result;
    } else {
        block_.add(item);
    }
    ++entry_.totals.items;
    entry_.totals.key_bytes += item.key.size();
    entry_.totals.value_bytes += item.value.size();
    highest_cas_ = std::max(highest_cas_, item.cas);
    return {};
}

Result<void> ShardFileWriter::write_block() {
    const BlockEncoder::Stored stored = block_.encode();
    BlockHeader header{.codec = static_cast<std::uint32_t>(stored.codec),
                       .stored_bytes = static_cast<std::uint32_t>(stored.bytes.size()),
                       .raw_bytes = static_cast<std::uint32_t>(block_.raw_bytes()),
                       .items = block_.items()};
    auto result = write_payload(header, stored.bytes, {});
    block_.clear(std::uint64_t{owner_.options_.block_bytes} * 4);
    return result;
}

Result<void> ShardFileWriter::write_large_item(const Item& item) {
    std::array<char, RecordHead::kBytesMax + kResultKeyBytesMax> head;
    char* end = encode_record_head(item, head.data());
    end = std::ranges::copy(item.key, end).out;
    const auto head_bytes = static_cast<std::size_t>(end - head.data());
    const auto bytes = static_cast<std::uint32_t>(head_bytes + item.value.size());
    BlockHeader header{.codec = static_cast<std::uint32_t>(Codec::None),
                       .stored_bytes = bytes,
                       .raw_bytes = bytes,
                       .items = 1};
    return write_payload(header, {head.data(), head_bytes}, item.value);
}

Result<void> ShardFileWriter::write_payload(BlockHeader& header, std::span<const char> head,
                                            std::span<const char> tail) {
    const std::uint64_t number = entry_.totals.blocks;
    header.payload_checksum =
        payload_checksum(seed_of(seed_, ChecksumRole::BlockPayload, number), head, tail);
    const auto bytes = encode(header, seed_of(seed_, ChecksumRole::BlockHeader, number));
    for (const std::span<const char> part : {std::span<const char>(bytes), head, tail}) {
        if (auto result = checked(output_.append(part)); !result) return result;
    }
    chain_ = chain_block(chain_, header.checksum);
    ++entry_.totals.blocks;
    return {};
}

Result<void> ShardFileWriter::finish() {
    SHARDMILL_ASSERT(!finished_);
    if (failed_) return fail(ErrorKind::Invalid, file_->path() + ": an earlier write failed");
    if (block_.items() != 0) {
        if (auto result = write_block(); !result) return result;
    }
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
