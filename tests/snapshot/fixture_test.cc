#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

// tests/snapshot/data/v1 was written by the first version of the format and never changes: every
// later build reads it. It holds, per codec, what `fixture_items` makes. A new format version gets
// a directory of its own beside it.

constexpr std::uint64_t kCreated = 1'795'403'700;

std::string fixture_directory() { return std::string(SHARDMILL_TEST_DATA) + "/v1"; }

std::vector<Items> fixture_items() {
    Items plain;
    for (int i = 0; i < 40; ++i) {
        OwnedItem item("key:" + std::to_string(i),
                       std::string(static_cast<std::size_t>(i) * 7, 'v'));
        item.client_flags = static_cast<std::uint32_t>(i % 3 * 1000);
        item.exptime = i % 4 == 0 ? 2'000'000'000u + static_cast<std::uint32_t>(i) : 0;
        item.cas = i % 5 == 0 ? (std::uint64_t{7} << 24 | static_cast<std::uint64_t>(i)) : 0;
        item.header_bits = i % 6 == 0 ? store::ItemHeader::kHit : 0;
        plain.push_back(item);
    }
    OwnedItem odd(std::string("\0\xff\r\n key", 8), std::string("\0\1\2\r\nEND", 8));
    odd.header_bits = kKeptHeaderBits;
    odd.client_flags = ~0u;
    odd.exptime = ~0u;
    odd.cas = ~std::uint64_t{0};
    return {plain, {}, {odd}};
}

WriterOptions fixture_options(Codec codec) {
    const std::uint64_t id = codec == Codec::None ? 0x6f0c12ab'01020304 : 0x7a0c12ab'01020304;
    return {.shards = 4, .created = kCreated, .codec = codec, .block_bytes = 4096, .id = id};
}

class FixtureTest : public ::testing::TestWithParam<Codec> {
 protected:
    static std::string name() {
        return Catalog::snapshot_name(kCreated, fixture_options(GetParam()).id);
    }
};

TEST_P(FixtureTest, VersionOneIsStillRead) {
    const auto items = load(uring::real_file_system(), name(), fixture_directory());
    ASSERT_SUCCESS(items);
    EXPECT_EQ(*items, joined(fixture_items()));
}

TEST_P(FixtureTest, TheManifestSaysWhatItSaid) {
    const auto reader =
        SnapshotReader::open(uring::real_file_system(), fixture_directory(), name());
    ASSERT_SUCCESS(reader);
    const Manifest& manifest = (*reader)->manifest();
    EXPECT_EQ(manifest.kind, Kind::Contents);
    EXPECT_EQ(manifest.created, kCreated);
    EXPECT_EQ(manifest.shards, 4u);
    EXPECT_EQ(manifest.highest_cas, ~std::uint64_t{0});
    EXPECT_EQ(manifest.codec, GetParam());
    EXPECT_EQ(manifest.files.size(), 3u);
    EXPECT_EQ(manifest.totals().items, 41u);
}

TEST(FixtureWriterTest, UncompressedFilesAreWrittenAsVersionOneWroteThem) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    const auto manifest = save(*catalog, fixture_items(), fixture_options(Codec::None));
    ASSERT_SUCCESS(manifest);
    for (const char* file : {"MANIFEST", "shard-0000", "shard-0001", "shard-0002"}) {
        std::ifstream stored(fixture_directory() + "/" + manifest->name + "/" + file,
                             std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(stored)), {});
        EXPECT_TRUE(fs.contents("/data/" + manifest->name + "/" + file) == bytes)
            << file << " differs: the format changed, it needs a new version";
    }
}

INSTANTIATE_TEST_SUITE_P(Codecs, FixtureTest, ::testing::Values(Codec::None, Codec::Zstd),
                         [](const auto& param) {
                             return param.param == Codec::None ? "None" : "Zstd";
                         });

/// Writes the fixture of a format version that has none yet; run by hand with
/// --gtest_also_run_disabled_tests --gtest_filter=*WritesTheFixture.
TEST(DISABLED_FixtureTool, WritesTheFixture) {
    ASSERT_FALSE(std::filesystem::exists(fixture_directory()));
    const auto catalog = open_catalog(uring::real_file_system(), fixture_directory());
    for (const Codec codec : {Codec::None, Codec::Zstd}) {
        ASSERT_SUCCESS(save(*catalog, fixture_items(), fixture_options(codec)));
    }
    std::filesystem::remove(fixture_directory() + "/LOCK");
    std::filesystem::remove(fixture_directory() + "/CURRENT");
}

}  // namespace
}  // namespace shardmill::snapshot
