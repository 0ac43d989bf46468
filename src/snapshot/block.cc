#include "snapshot/block.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/hash.h"

namespace shardmill::snapshot {

namespace {

using store::ItemHeader;

struct BitPair {
    std::uint32_t header;
    std::uint8_t record;
};
// The log's layout and the file's are independent of each other.
constexpr BitPair kBitPairs[] = {
    {ItemHeader::kStale, RecordHead::kStale},
    {ItemHeader::kWin, RecordHead::kWin},
    {ItemHeader::kBinaryKey, RecordHead::kBinaryKey},
    {ItemHeader::kHit, RecordHead::kHit},
};

std::uint8_t record_bits(std::uint32_t header_bits) noexcept {
    unsigned bits = 0;
    for (const BitPair& pair : kBitPairs) {
        if ((header_bits & pair.header) != 0) bits |= pair.record;
    }
    return static_cast<std::uint8_t>(bits);
}

std::uint32_t header_bits(std::uint8_t bits) noexcept {
    std::uint32_t header = 0;
    for (const BitPair& pair : kBitPairs) {
        if ((bits & pair.record) != 0) header |= pair.header;
    }
    return header;
}

std::size_t head_bytes(std::uint8_t fields) noexcept {
    return RecordHead::kBytes + ((fields & RecordHead::kHasExptime) != 0 ? 4 : 0) +
           ((fields & RecordHead::kHasFlags) != 0 ? 4 : 0) +
           ((fields & RecordHead::kHasCas) != 0 ? 8 : 0);
}

/// Compressing must save at least this part, or the block is stored as it is and costs nothing to
/// read.
constexpr std::uint64_t kWorthwhileShare = 16;

}  // namespace

std::span<char> ScratchBytes::take(std::uint64_t bytes) {
    constexpr std::uint64_t kFarTooLarge = 4;  // times
    if (capacity_ < bytes || capacity_ / kFarTooLarge > bytes) {
        memory_.reset();
        capacity_ = 0;
        memory_ = std::make_unique_for_overwrite<char[]>(bytes);
        capacity_ = bytes;
    }
    return {memory_.get(), bytes};
}

char* encode_record_head(const Item& item, const RecordShape& shape, char* out) noexcept {
    store_le(out, static_cast<std::uint16_t>(item.key.size()));
    out[2] = static_cast<char>(record_bits(item.header_bits));
    out[3] = static_cast<char>(shape.fields);
    store_le(out + 4, static_cast<std::uint32_t>(item.value.size()));
    out += RecordHead::kBytes;
    if (shape.fields == 0) return out;
    const auto put = [&out]<typename Number>(Number value) noexcept {
        if (value == 0) return;
        store_le(out, value);
        out += sizeof value;
    };
    put(item.exptime);
    put(item.client_flags);
    put(item.cas);
    return out;
}

std::uint64_t payload_checksum(std::uint64_t seed, std::span<const char> head,
                               std::span<const char> tail) noexcept {
    if (tail.empty()) return base::checksum(head.data(), head.size(), seed);
    XXH3_state_t state{};
    XXH3_64bits_reset_withSeed(&state, seed);
    XXH3_64bits_update(&state, head.data(), head.size());
    XXH3_64bits_update(&state, tail.data(), tail.size());
    return XXH3_64bits_digest(&state);
}

void BlockBuilder::begin(std::span<char> room) noexcept {
    room_ = room;
    used_ = 0;
    items_ = 0;
}

void BlockBuilder::add(const Item& item, const RecordShape& shape) noexcept {
    char* out = encode_record_head(item, shape, room_.data() + used_);
    if (item.key.data() + item.key.size() == item.value.data()) {
        // As they are in the log.
        std::memcpy(out, item.key.data(), item.key.size() + item.value.size());
    } else {
        out = std::ranges::copy(item.key, out).out;
        std::ranges::copy(item.value, out);
    }
    used_ += shape.bytes;
    ++items_;
}

void BlockCompressor::ContextDelete::operator()(ZSTD_CCtx_s* context) const noexcept {
    ZSTD_freeCCtx(context);
}

BlockCompressor::BlockCompressor(int level) : context_(ZSTD_createCCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
}

BlockCompressor::~BlockCompressor() = default;

std::span<const char> BlockCompressor::compress(std::span<const char> records) {
    const std::span<char> out = out_.take(records.size() - records.size() / kWorthwhileShare);
    const std::size_t bytes =
        ZSTD_compress2(context_.get(), out.data(), out.size(), records.data(), records.size());
    if (ZSTD_isError(bytes)) return {};  // no room: it would not shrink enough
    return out.first(bytes);
}

std::uint64_t BlockCompressor::memory_bytes() const noexcept {
    return out_.capacity() + ZSTD_sizeof_CCtx(context_.get());
}

void BlockDecoder::ContextDelete::operator()(ZSTD_DCtx_s* context) const noexcept {
    ZSTD_freeDCtx(context);
}

BlockDecoder::BlockDecoder() = default;
BlockDecoder::~BlockDecoder() = default;

std::span<const char> BlockDecoder::records(const BlockHeader& header,
                                            std::span<const char> stored) {
    if (header.codec == static_cast<std::uint32_t>(Codec::None)) return stored;
    if (context_ == nullptr) context_.reset(ZSTD_createDCtx());
    if (context_ == nullptr) throw std::bad_alloc();
    const std::span<char> raw = raw_.take(header.raw_bytes);
    const std::size_t bytes =
        ZSTD_decompressDCtx(context_.get(), raw.data(), raw.size(), stored.data(), stored.size());
    if (ZSTD_isError(bytes) || bytes != raw.size()) return {};
    return raw;
}

const char* RecordParser::next(Item& item) noexcept {
    const std::uint64_t left = records_.size() - at_;
    const char* from = records_.data() + at_;
    if (left < RecordHead::kBytes) return "a record is cut off";
    const std::uint32_t key_bytes = load_le<std::uint16_t>(from);
    const auto bits = static_cast<std::uint8_t>(from[2]);
    const auto fields = static_cast<std::uint8_t>(from[3]);
    const std::uint64_t value_bytes = load_le<std::uint32_t>(from + 4);
    if (bits > RecordHead::kAllBits || fields > RecordHead::kAllFields) {
        return "a record has bits this version does not know";
    }
    const std::uint64_t head = head_bytes(fields);
    if (head + key_bytes + value_bytes > left) return "a record is longer than its block";
    if (value_bytes > kValueBytesMax) return "a value is over the limit";
    if (kind_ == Kind::Contents && (key_bytes == 0 || key_bytes > kContentsKeyBytesMax)) {
        return "a key is empty or over the limit";
    }
    const char* at = from + RecordHead::kBytes;
    const auto take = [&at, fields]<typename Number>(Number& value, std::uint8_t field) noexcept {
        value = 0;
        if ((fields & field) == 0) return;
        value = load_le<Number>(at);
        at += sizeof value;
    };
    take(item.exptime, RecordHead::kHasExptime);
    take(item.client_flags, RecordHead::kHasFlags);
    take(item.cas, RecordHead::kHasCas);
    item.header_bits = header_bits(bits);
    item.key = {at, key_bytes};
    item.value = {at + key_bytes, static_cast<std::size_t>(value_bytes)};
    at_ += head + key_bytes + value_bytes;
    return nullptr;
}

}  // namespace shardmill::snapshot
