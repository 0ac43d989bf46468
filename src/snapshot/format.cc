#include "snapshot/format.h"

#include "base/hash.h"

namespace shardmill::snapshot {

namespace {

/// Puts fields one behind the other.
class Packer {
 public:
    explicit Packer(char* out) noexcept : at_(out) {}
    template <std::unsigned_integral Number>
    Packer& put(Number value) noexcept {
        store_le(at_, value);
        at_ += sizeof value;
        return *this;
    }

 private:
    char* at_;
};

class Unpacker {
 public:
    explicit Unpacker(const char* from) noexcept : at_(from) {}
    template <std::unsigned_integral Number>
    Unpacker& take(Number& value) noexcept {
        value = load_le<Number>(at_);
        at_ += sizeof value;
        return *this;
    }

 private:
    const char* at_;
};

/// The checksum is always the last eight bytes and covers all before it.
std::uint64_t checksum_before_last(std::span<const char> bytes, std::uint64_t seed) noexcept {
    return base::checksum(bytes.data(), bytes.size() - sizeof(std::uint64_t), seed);
}

std::uint64_t file_header_seed() noexcept { return seed_of({}, ChecksumRole::FileHeader, 0); }

}  // namespace

std::uint64_t seed_of(const FileSeed& seed, ChecksumRole role, std::uint64_t number) noexcept {
    std::array<char, 20> bytes;
    Packer(bytes.data()).put(seed.id).put(seed.file).put(number);
    return base::checksum(bytes.data(), bytes.size(), static_cast<std::uint64_t>(role));
}

std::uint64_t chain_block(std::uint64_t chain, std::uint64_t block_header_checksum) noexcept {
    std::array<char, 8> bytes;
    store_le(bytes.data(), block_header_checksum);
    return base::checksum(bytes.data(), bytes.size(), chain);
}

std::array<char, FileHeader::kBytes> encode(FileHeader& header) noexcept {
    std::array<char, FileHeader::kBytes> bytes;
    Packer(bytes.data())
        .put(FileHeader::kMagic)
        .put(header.version)
        .put(header.file)
        .put(header.id)
        .put(header.kind)
        .put(header.reserved);
    header.checksum = checksum_before_last(bytes, file_header_seed());
    store_le(bytes.data() + bytes.size() - 8, header.checksum);
    return bytes;
}

std::array<char, BlockHeader::kBytes> encode(BlockHeader& header, std::uint64_t seed) noexcept {
    std::array<char, BlockHeader::kBytes> bytes;
    Packer(bytes.data())
        .put(BlockHeader::kMagic)
        .put(header.codec)
        .put(header.stored_bytes)
        .put(header.raw_bytes)
        .put(header.items)
        .put(header.reserved)
        .put(header.payload_checksum);
    header.checksum = checksum_before_last(bytes, seed);
    store_le(bytes.data() + bytes.size() - 8, header.checksum);
    return bytes;
}

std::array<char, FileFooter::kBytes> encode(FileFooter& footer, std::uint64_t seed) noexcept {
    std::array<char, FileFooter::kBytes> bytes;
    Packer(bytes.data())
        .put(FileFooter::kMagic)
        .put(footer.file)
        .put(footer.items)
        .put(footer.key_bytes)
        .put(footer.value_bytes)
        .put(footer.blocks)
        .put(footer.file_bytes)
        .put(footer.block_chain);
    footer.checksum = checksum_before_last(bytes, seed);
    store_le(bytes.data() + bytes.size() - 8, footer.checksum);
    return bytes;
}

const char* decode(std::span<const char, FileHeader::kBytes> bytes, FileHeader& out) noexcept {
    std::uint64_t magic = 0;
    Unpacker(bytes.data())
        .take(magic)
        .take(out.version)
        .take(out.file)
        .take(out.id)
        .take(out.kind)
        .take(out.reserved)
        .take(out.checksum);
    if (magic != FileHeader::kMagic) return "this is not a shard file";
    if (out.version != kFormatVersion) return nullptr;  // the rest may mean something else there
    if (out.checksum != checksum_before_last(bytes, file_header_seed())) {
        return "the file header's checksum is wrong";
    }
    if (out.reserved != 0) return "a reserved field of the file header is set";
    return nullptr;
}

const char* decode(std::span<const char, BlockHeader::kBytes> bytes, std::uint64_t seed,
                   BlockHeader& out) noexcept {
    std::uint32_t magic = 0;
    Unpacker(bytes.data())
        .take(magic)
        .take(out.codec)
        .take(out.stored_bytes)
        .take(out.raw_bytes)
        .take(out.items)
        .take(out.reserved)
        .take(out.payload_checksum)
        .take(out.checksum);
    if (magic != BlockHeader::kMagic) return "no block starts here";
    if (out.checksum != checksum_before_last(bytes, seed)) {
        return "the block header's checksum is wrong";
    }
    if (out.reserved != 0) return "a reserved field of the block header is set";
    return nullptr;
}

const char* decode(std::span<const char, FileFooter::kBytes> bytes, std::uint64_t seed,
                   FileFooter& out) noexcept {
    std::uint32_t magic = 0;
    Unpacker(bytes.data())
        .take(magic)
        .take(out.file)
        .take(out.items)
        .take(out.key_bytes)
        .take(out.value_bytes)
        .take(out.blocks)
        .take(out.file_bytes)
        .take(out.block_chain)
        .take(out.checksum);
    if (magic != FileFooter::kMagic) return "the file does not end with a footer";
    if (out.checksum != checksum_before_last(bytes, seed)) return "the footer's checksum is wrong";
    return nullptr;
}

}  // namespace shardmill::snapshot
