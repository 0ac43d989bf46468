#include "snapshot/reader_fuzz.h"

#include <algorithm>

#include "base/assert.h"
#include "snapshot/block.h"
#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

constexpr std::uint64_t kId = 0x1234567890abcdef;
constexpr FileSeed kSeed{.id = kId, .file = 0};

Manifest agreeing_manifest(std::span<const char> file) {
    Manifest manifest{.name = Catalog::snapshot_name(0, kId), .id = kId};
    FileEntry entry{.totals = {.file_bytes = file.size()}};
    if (file.size() >= FileFooter::kBytes) {
        const char* footer = file.data() + file.size() - FileFooter::kBytes;
        entry.totals.items = load_le<std::uint64_t>(footer + 8);
        entry.totals.key_bytes = load_le<std::uint64_t>(footer + 16);
        entry.totals.value_bytes = load_le<std::uint64_t>(footer + 24);
        entry.totals.blocks = load_le<std::uint64_t>(footer + 32);
        entry.checksum = load_le<std::uint64_t>(footer + 56);
    }
    manifest.files.push_back(entry);
    return manifest;
}

/// Every byte handed over is touched, for the sanitizer to see, and every limit is looked at.
bool inspect(const Item& item, std::uint64_t& touched) {
    SHARDMILL_ASSERT(!item.key.empty() && item.key.size() <= kContentsKeyBytesMax);
    SHARDMILL_ASSERT((item.header_bits & ~kKeptHeaderBits) == 0);
    for (const char c : item.key) touched += static_cast<unsigned char>(c);
    for (const char c : item.value) touched += static_cast<unsigned char>(c);
    return true;
}

void replace(std::string& file, std::size_t at, std::span<const char> bytes) {
    std::ranges::copy(bytes, file.begin() + static_cast<long>(at));
}

}  // namespace

void fuzz_reader(std::span<const char> file) {
    const std::string_view text(file.data(), file.size());
    (void)parse_manifest(text, "fuzz");

    std::uint64_t touched = 0;
    RecordParser parser(Kind::Contents, file);
    for (Item item; !parser.done() && parser.next(item) == nullptr;) inspect(item, touched);

    testing::MemoryFileSystem fs;
    const Manifest manifest = agreeing_manifest(file);
    const std::string directory = "/" + manifest.name;
    SHARDMILL_ASSERT(fs.make_directory(directory).has_value());
    fs.set_contents(directory + "/shard-0000", std::string(text));
    fs.set_contents(directory + "/MANIFEST", format_manifest(manifest));
    const auto reader = SnapshotReader::open(fs, "", manifest.name);
    if (!reader) return;
    std::uint64_t items = 0;
    const auto result = (*reader)->visit_file(0, [&](std::span<const Item> batch) {
        for (const Item& item : batch) inspect(item, touched);
        items += batch.size();
        return true;
    });
    SHARDMILL_ASSERT(!result || items == manifest.totals().items);
    (void)(*reader)->read_rows(items / 2, 3,
                               [&](const Item& item) { return inspect(item, touched); });
}

std::string fuzz_seed_file(std::uint64_t seed, bool compressed) {
    testing::MemoryFileSystem fs;
    const auto catalog = Catalog::open(fs, kDirectory);
    const auto manifest =
        save(**catalog, {random_items(seed, 60, 200)},
             {.codec = compressed ? Codec::Zstd : Codec::None, .block_bytes = 4096, .id = kId});
    return fs.contents("/data/" + manifest->name + "/shard-0000");
}

void repair_checksums(std::string& file) {
    if (file.size() < FileHeader::kBytes + FileFooter::kBytes) return;
    const std::size_t end = file.size() - FileFooter::kBytes;
    FileHeader header{.id = kId, .kind = 1};
    replace(file, 0, encode(header));
    std::uint64_t number = 0;
    std::uint64_t chain = seed_of(kSeed, ChecksumRole::Chain, 0);
    for (std::size_t at = FileHeader::kBytes; at + BlockHeader::kBytes <= end; ++number) {
        BlockHeader block;
        std::span<const char, BlockHeader::kBytes> bytes(file.data() + at, BlockHeader::kBytes);
        (void)decode(bytes, 0, block);  // for the fields
        const std::size_t payload = at + BlockHeader::kBytes;
        const std::size_t stored = std::min<std::size_t>(block.stored_bytes, end - payload);
        block.payload_checksum =
            payload_checksum(seed_of(kSeed, ChecksumRole::BlockPayload, number),
                             std::span<const char>(file.data() + payload, stored), {});
        block.reserved = 0;
        replace(file, at, encode(block, seed_of(kSeed, ChecksumRole::BlockHeader, number)));
        chain = chain_block(chain, block.checksum);
        at = payload + stored;
    }
    FileFooter footer;
    std::span<const char, FileFooter::kBytes> bytes(file.data() + end, FileFooter::kBytes);
    (void)decode(bytes, 0, footer);
    footer.file = 0;
    footer.blocks = number;
    footer.file_bytes = file.size();
    footer.block_chain = chain;
    replace(file, end, encode(footer, seed_of(kSeed, ChecksumRole::Footer, 0)));
}

}  // namespace shardmill::snapshot
