#include "snapshot/manifest.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace shardmill::snapshot {
namespace {

Manifest sample() {
    Manifest manifest{.kind = Kind::Result,
                      .name = "result-18f3a0-7",
                      .id = 0x00c0ffee,
                      .created = 1'795'403'700,
                      .shards = 16,
                      .highest_cas = ~std::uint64_t{0},
                      .codec = Codec::Zstd};
    manifest.facts = {
        {"pipeline", "by:$.section|agg:count"}, {"empty", ""}, {"odd", "100%\n\ttab"}};
    manifest.files = {
        {.totals = {.items = 1, .key_bytes = 2, .value_bytes = 3, .blocks = 4, .file_bytes = 5},
         .checksum = 6},
        {.totals =
             {.items = 10, .key_bytes = 20, .value_bytes = 30, .blocks = 40, .file_bytes = 50},
         .checksum = ~std::uint64_t{0}}};
    return manifest;
}

TEST(ManifestTest, ComesBackAsItWas) {
    const auto parsed = parse_manifest(format_manifest(sample()), "x");
    ASSERT_TRUE(parsed) << parsed.error().what;
    EXPECT_EQ(*parsed, sample());
}

TEST(ManifestTest, IsTextForPeople) {
    const std::string text = format_manifest(sample());
    EXPECT_EQ(text.substr(0, text.rfind("end ")),
              "shardmill-manifest 1\n"
              "kind result\n"
              "name result-18f3a0-7\n"
              "id 0000000000c0ffee\n"
              "created 1795403700\n"
              "shards 16\n"
              "highest_cas 18446744073709551615\n"
              "codec zstd\n"
              "fact pipeline by:$.section|agg:count\n"
              "fact empty \n"
              "fact odd 100%25%0a%09tab\n"
              "file shard-0000 items=1 key_bytes=2 value_bytes=3 blocks=4 bytes=5 "
              "checksum=0000000000000006\n"
              "file shard-0001 items=10 key_bytes=20 value_bytes=30 blocks=40 bytes=50 "
              "checksum=ffffffffffffffff\n"
              "total files=2 items=11 key_bytes=22 value_bytes=33 blocks=44 bytes=55\n");
}

/// The text with one part replaced and the checksum made right again.
std::string forged(const std::string& from, const std::string& to) {
    std::string text = format_manifest(sample());
    text.erase(text.rfind("end "));
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    char line[32];
    std::snprintf(line, sizeof line, "end %016llx\n",
                  static_cast<unsigned long long>(
                      base::checksum(text.data(), text.size(), 0x4d414e4946455354)));
    return text + line;
}

TEST(ManifestTest, RefusesLinesItWouldNotHaveWritten) {
    ASSERT_TRUE(parse_manifest(forged("shards 16", "shards 17"), "x"));
    const std::pair<const char*, const char*> forgeries[] = {
        {"kind result", "kind other"},
        {"kind result\n", ""},
        {"name result-18f3a0-7\n", ""},
        {"id 0000000000c0ffee", "id 0000000000000000"},
        {"id 0000000000c0ffee", "id c0ffee"},
        {"created 1795403700", "created -1"},
        {"shards 16", "shards 4294967296"},
        {"shards 16\n", "shards 16\nmore 1\n"},
        {"codec zstd", "codec lz4"},
        {"100%25", "100%2"},
        {"%0a%09tab", "%zz"},
        {"fact odd ", "fact odd"},
        {"file shard-0001", "file shard-0002"},
        {"file shard-0001", "file ../shard-0001"},
        {"items=10 ", "items=11 "},
        {"bytes=50 checksum", "bytes=18446744073709551616 checksum"},
        {" checksum=0000000000000006", ""},
        {"total files=2", "total files=3"},
        {"bytes=55\n", "bytes=55\n\n"},
    };
    for (const auto& [from, to] : forgeries) {
        const auto parsed = parse_manifest(forged(from, to), "/d/MANIFEST");
        ASSERT_FALSE(parsed) << from << " -> " << to;
        EXPECT_EQ(parsed.error().kind, ErrorKind::Corrupt);
        EXPECT_TRUE(parsed.error().what.starts_with("/d/MANIFEST line ")) << parsed.error().what;
    }
}

TEST(ManifestTest, RefusesTextThatIsNoManifest) {
    for (const char* text : {"", "\n", "end 0000000000000000\n", "shardmill-manifest", "x\n\n\n",
                             "shardmill-manifest 1", "shardmill-manifest 1\n"}) {
        EXPECT_FALSE(parse_manifest(text, "x")) << text;
    }
}

TEST(ManifestTest, ShardFileNamesSortAsTheyCount) {
    EXPECT_EQ(shard_file_name(0), "shard-0000");
    EXPECT_EQ(shard_file_name(123), "shard-0123");
    EXPECT_EQ(shard_file_name(65535), "shard-65535");
}

}  // namespace
}  // namespace shardmill::snapshot
