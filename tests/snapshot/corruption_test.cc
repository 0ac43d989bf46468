#include <zstd.h>

#include "base/hash.h"
#include "snapshot/block.h"
#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

/// A small snapshot of two files with several blocks each, to be damaged.
class CorruptionTest : public ::testing::TestWithParam<Codec> {
 protected:
    void SetUp() override {
        const std::vector<Items> files = {random_items(1, 40, 200), random_items(2, 25, 300)};
        const auto manifest = save(*catalog_, files, {.codec = GetParam(), .block_bytes = 4096});
        ASSERT_SUCCESS(manifest);
        name_ = manifest->name;
        items_ = joined(files);
        ASSERT_GE(manifest->files[0].totals.blocks, 2u);
    }

    std::string path(std::string_view file) const {
        return "/data/" + name_ + "/" + std::string(file);
    }

    /// Refused with a reason that names the snapshot's files.
    void expect_refused(const std::string& what) {
        const auto loaded = load(fs_, name_);
        ASSERT_FALSE(loaded) << what;
        EXPECT_TRUE(loaded.error().kind == ErrorKind::Corrupt ||
                    loaded.error().kind == ErrorKind::Version ||
                    loaded.error().kind == ErrorKind::NotFound)
            << what << ": " << loaded.error().what;
        EXPECT_NE(loaded.error().what.find("/data/" + name_), std::string::npos)
            << loaded.error().what;
    }

    /// Items handed over before a file was refused are what was written.
    void expect_nothing_wrong_is_given() {
        const auto reader = SnapshotReader::open(fs_, kDirectory, name_);
        if (!reader) return;
        std::size_t at = 0;
        (void)(*reader)->visit_all([&](std::span<const Item> batch) {
            for (const Item& item : batch) {
                EXPECT_LT(at, items_.size());
                if (at < items_.size()) {
                    EXPECT_TRUE(OwnedItem(item) == items_[at]);
                }
                ++at;
            }
            return true;
        });
    }

    testing::MemoryFileSystem fs_;
    std::unique_ptr<Catalog> catalog_ = open_catalog(fs_);
    std::string name_;
    Items items_;
};

TEST_P(CorruptionTest, RefusesFilesCutOffAnywhere) {
    for (const char* file : {"MANIFEST", "shard-0000", "shard-0001"}) {
        const std::string whole = fs_.contents(path(file));
        for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
            fs_.set_contents(path(file), whole.substr(0, bytes));
            expect_refused(std::string(file) + " cut off at " + std::to_string(bytes));
        }
        fs_.set_contents(path(file), whole);
    }
    ASSERT_SUCCESS(load(fs_, name_));
}

TEST_P(CorruptionTest, RefusesFilesWithSomethingBehindTheEnd) {
    for (const char* file : {"MANIFEST", "shard-0000", "shard-0001"}) {
        const std::string whole = fs_.contents(path(file));
        for (const std::string& more : {std::string(1, '\0'), std::string("\n"), whole}) {
            fs_.set_contents(path(file), whole + more);
            expect_refused(file);
        }
        fs_.set_contents(path(file), whole);
    }
}

TEST_P(CorruptionTest, RefusesEveryFlippedByte) {
    std::mt19937_64 random(3);
    for (const char* file : {"MANIFEST", "shard-0000", "shard-0001"}) {
        const std::string whole = fs_.contents(path(file));
        for (std::size_t at = 0; at < whole.size(); ++at) {
            std::string damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
            fs_.set_contents(path(file), damaged);
            expect_refused(std::string(file) + " flipped at " + std::to_string(at));
            expect_nothing_wrong_is_given();
        }
        fs_.set_contents(path(file), whole);
    }
}

TEST_P(CorruptionTest, RefusesMissingFiles) {
    for (const char* file : {"MANIFEST", "shard-0000", "shard-0001"}) {
        const std::string whole = fs_.contents(path(file));
        ASSERT_TRUE(fs_.unlink(path(file)));
        expect_refused(std::string(file) + " removed");
        fs_.set_contents(path(file), whole);
    }
}

TEST_P(CorruptionTest, RefusesFilesThatChangedPlaces) {
    const std::string first = fs_.contents(path("shard-0000"));
    const std::string second = fs_.contents(path("shard-0001"));
    fs_.set_contents(path("shard-0000"), second);
    fs_.set_contents(path("shard-0001"), first);
    expect_refused("exchanged");
    EXPECT_NE(load(fs_, name_).error().what.find("at byte"), std::string::npos);
}

TEST_P(CorruptionTest, RefusesFilesOfAnotherSnapshotWithTheSameItems) {
    const std::vector<Items> files = {random_items(1, 40, 200), random_items(2, 25, 300)};
    const auto other = save(*catalog_, files, {.codec = GetParam(), .block_bytes = 4096});
    ASSERT_SUCCESS(other);
    const std::string own_file = fs_.contents(path("shard-0000"));
    const std::string own_manifest = fs_.contents(path("MANIFEST"));
    const std::string other_directory = "/data/" + other->name + "/";
    const std::string foreign_file = fs_.contents(other_directory + "shard-0000");
    ASSERT_EQ(foreign_file.size(), own_file.size());
    fs_.set_contents(path("shard-0000"), foreign_file);
    expect_refused("a foreign shard file");
    EXPECT_EQ(load(fs_, name_).error().what,
              path("shard-0000") + " at byte 0: the file belongs to another snapshot");
    fs_.set_contents(path("shard-0000"), own_file);
    fs_.set_contents(path("MANIFEST"), fs_.contents(other_directory + "MANIFEST"));
    expect_refused("a foreign manifest");
    fs_.set_contents(path("MANIFEST"), own_manifest);
    ASSERT_SUCCESS(load(fs_, name_));
}

/// Where the blocks of a sound file start, and where the last one ends.
std::vector<std::size_t> block_boundaries(const std::string& file) {
    std::vector<std::size_t> boundaries = {FileHeader::kBytes};
    while (boundaries.back() < file.size() - FileFooter::kBytes) {
        const auto stored = load_le<std::uint32_t>(file.data() + boundaries.back() + 8);
        boundaries.push_back(boundaries.back() + BlockHeader::kBytes + stored);
    }
    return boundaries;
}

TEST_P(CorruptionTest, RefusesBlocksLeftOutRepeatedOrExchanged) {
    const std::string whole = fs_.contents(path("shard-0000"));
    const auto ends = block_boundaries(whole);
    ASSERT_EQ(ends.back(), whole.size() - FileFooter::kBytes);
    const auto part = [&](std::size_t from, std::size_t to) {
        return whole.substr(ends[from], ends[to] - ends[from]);
    };
    const std::string head = whole.substr(0, ends[0]);
    const std::string rest = whole.substr(ends[2]);
    for (const std::string& damaged :
         {head + part(1, 2) + rest, head + part(0, 1) + rest, head + part(0, 2) + part(1, 2) + rest,
          head + part(1, 2) + part(0, 1) + rest}) {
        fs_.set_contents(path("shard-0000"), damaged);
        expect_refused("blocks moved");
        expect_nothing_wrong_is_given();
    }
}

TEST_P(CorruptionTest, NamesFileAndOffset) {
    const std::string whole = fs_.contents(path("shard-0001"));
    const auto starts = block_boundaries(whole);
    std::string damaged = whole;
    damaged[starts[1] + BlockHeader::kBytes + 5] ^= 1;
    fs_.set_contents(path("shard-0001"), damaged);
    EXPECT_EQ(load(fs_, name_).error().what, path("shard-0001") + " at byte " +
                                                 std::to_string(starts[1]) +
                                                 ": the block's checksum is wrong");
}

INSTANTIATE_TEST_SUITE_P(Codecs, CorruptionTest, ::testing::Values(Codec::None, Codec::Zstd),
                         [](const auto& param) {
                             return param.param == Codec::None ? "None" : "Zstd";
                         });

/// What a crafted file says of itself.
struct Lies {
    std::uint64_t items = 1;
    std::uint64_t blocks = 1;
    std::uint64_t chain = 0;              // added to the true one
    std::uint64_t manifest_checksum = 0;  // added to the true one
};

/// A file with one block whose checksums are right and whose content is not: what a wrong writer
/// could have made.
class CraftedBlockTest : public ::testing::Test {
 protected:
    static constexpr FileSeed kSeed{.id = 77, .file = 0};

    /// Puts a snapshot with this block in place and returns why it is refused, "" if it is not.
    std::string refusal(BlockHeader block, const std::string& stored, const Lies& lies = {},
                        const ReaderOptions& options = {}) {
        FileHeader header{.file = 0, .id = kSeed.id, .kind = 1};
        block.payload_checksum = payload_checksum(seed_of(kSeed, ChecksumRole::BlockPayload, 0),
                                                  std::span<const char>(stored), {});
        std::string file;
        const auto add = [&file](std::span<const char> bytes) {
            file.append(bytes.data(), bytes.size());
        };
        add(encode(header));
        add(encode(block, seed_of(kSeed, ChecksumRole::BlockHeader, 0)));
        file += stored;
        const std::uint64_t chain =
            chain_block(seed_of(kSeed, ChecksumRole::Chain, 0), block.checksum);
        FileFooter footer{.items = lies.items,
                          .key_bytes = 1,
                          .value_bytes = 1,
                          .blocks = lies.blocks,
                          .file_bytes = file.size() + FileFooter::kBytes,
                          .block_chain = chain + lies.chain};
        add(encode(footer, seed_of(kSeed, ChecksumRole::Footer, 0)));
        Manifest manifest{.name = Catalog::snapshot_name(1, 1), .id = kSeed.id};
        manifest.files.push_back({.totals = {.items = lies.items,
                                             .key_bytes = 1,
                                             .value_bytes = 1,
                                             .blocks = lies.blocks,
                                             .file_bytes = file.size()},
                                  .checksum = footer.checksum + lies.manifest_checksum});
        const std::string directory = "/data/" + manifest.name;
        if (!*fs_.stat(directory)) {
            EXPECT_TRUE(fs_.make_directory(directory));
        }
        fs_.set_contents(directory + "/shard-0000", file);
        fs_.set_contents(directory + "/MANIFEST", format_manifest(manifest));
        const auto reader = SnapshotReader::open(fs_, kDirectory, manifest.name, options);
        if (!reader) return problem(reader);
        return problem((*reader)->check_file(0));
    }

    static BlockHeader plain(const std::string& records, std::uint32_t items = 1) {
        return {.codec = 0,
                .stored_bytes = static_cast<std::uint32_t>(records.size()),
                .raw_bytes = static_cast<std::uint32_t>(records.size()),
                .items = items};
    }

    /// One record: key "k", value "v", unless patched.
    static std::string record() { return std::string("\1\0\0\0\1\0\0\0kv", 10); }
    static std::string patched(std::size_t at, char byte) {
        std::string text = record();
        text[at] = byte;
        return text;
    }

    testing::MemoryFileSystem fs_;
    std::unique_ptr<Catalog> catalog_ = open_catalog(fs_);
};

TEST_F(CraftedBlockTest, AcceptsASoundOne) { EXPECT_EQ(refusal(plain(record()), record()), ""); }

TEST_F(CraftedBlockTest, RefusesRecordsThatDoNotFillTheBlock) {
    for (const std::string& records :
         {record() + "x", record().substr(0, 9), record().substr(0, 8), patched(4, '\2'),
          patched(4, '\0'), patched(0, '\2'), patched(3, '\1'), patched(7, '\x7f')}) {
        EXPECT_NE(refusal(plain(records), records), "");
    }
}

TEST_F(CraftedBlockTest, RefusesBitsAndFieldsItDoesNotKnow) {
    EXPECT_NE(refusal(plain(patched(2, '\x10')), patched(2, '\x10')), "");
    EXPECT_NE(refusal(plain(patched(3, '\x08')), patched(3, '\x08')), "");
}

TEST_F(CraftedBlockTest, RefusesKeysNoClientCouldHaveSet) {
    const std::string no_key("\0\0\0\0\2\0\0\0kv", 10);
    EXPECT_NE(refusal(plain(no_key), no_key), "");
    const std::string long_key = std::string("\xfb\0\0\0\1\0\0\0", 8) + std::string(252, 'k');
    EXPECT_NE(refusal(plain(long_key), long_key), "");
}

TEST_F(CraftedBlockTest, RefusesItemCountsThatAreNotTrue) {
    EXPECT_NE(refusal(plain(record(), 0), record()), "");
    EXPECT_NE(refusal(plain(record(), 2), record(), {.items = 2}), "");
    EXPECT_NE(refusal(plain(record() + record(), 1), record() + record()), "");
    EXPECT_NE(refusal(plain(record(), 0xffffffff), record()), "");
    EXPECT_NE(refusal(plain(record(), 1), record(), {.items = 2}), "") << "the footer says two";
}

TEST_F(CraftedBlockTest, RefusesFootersThatDoNotFitTheBlocks) {
    EXPECT_NE(refusal(plain(record()), record(), {.blocks = 2}), "");
    EXPECT_NE(refusal(plain(record()), record(), {.chain = 1}), "");
    EXPECT_NE(refusal(plain(record()), record(), {.manifest_checksum = 1}), "");
}

TEST_F(CraftedBlockTest, RefusesSizesBeforeAskingForMemory) {
    BlockHeader header = plain(record());
    header.stored_bytes = 0xffffffff;
    EXPECT_NE(refusal(header, record()), "");
    header = plain(record());
    header.raw_bytes = 0xffffffff;
    EXPECT_NE(refusal(header, record()), "");
    header.codec = 1;
    EXPECT_NE(refusal(header, record()), "");
    header.codec = 2;
    EXPECT_NE(refusal(header, record()), "");
    // Within all limits, but not within the file.
    header = plain(record());
    header.stored_bytes = header.raw_bytes = 500;
    EXPECT_NE(refusal(header, record()).find("longer than the file"), std::string::npos);
    const std::string long_value = record() + std::string(1000, 'v');
    EXPECT_NE(refusal(plain(long_value), long_value, {}, {.block_bytes_max = 1000})
                  .find("over the size limit"),
              std::string::npos);
}

TEST_F(CraftedBlockTest, RefusesCompressedBytesThatAreNotWhatTheHeaderSays) {
    const std::string records = record();
    std::string stored(ZSTD_compressBound(records.size()), '\0');
    stored.resize(ZSTD_compress(stored.data(), stored.size(), records.data(), records.size(), 1));
    BlockHeader header{.codec = 1,
                       .stored_bytes = static_cast<std::uint32_t>(stored.size()),
                       .raw_bytes = 10,
                       .items = 1};
    EXPECT_EQ(refusal(header, stored), "");
    header.raw_bytes = 9;
    EXPECT_NE(refusal(header, stored), "");
    header.raw_bytes = 11;
    EXPECT_NE(refusal(header, stored), "");
    header.raw_bytes = 10;
    stored[stored.size() - 1] ^= 1;
    stored[5] ^= 1;
    EXPECT_NE(refusal(header, stored), "");
}

TEST(VersionTest, TellsALaterVersionFromDamage) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    const auto manifest = save(*catalog, {random_items(1, 3, 10)}, {});
    ASSERT_SUCCESS(manifest);
    const std::string path = "/data/" + manifest->name + "/";
    const std::string file = fs.contents(path + "shard-0000");
    std::string later = file;
    later[8] = 2;
    fs.set_contents(path + "shard-0000", later);
    EXPECT_EQ(load(fs, manifest->name).error().kind, ErrorKind::Version);
    fs.set_contents(path + "shard-0000", file);
    std::string text = fs.contents(path + "MANIFEST");
    text.replace(0, text.find('\n'), "shardmill-manifest 2");
    fs.set_contents(path + "MANIFEST", text);
    EXPECT_EQ(load(fs, manifest->name).error().kind, ErrorKind::Version);
}

}  // namespace
}  // namespace shardmill::snapshot
