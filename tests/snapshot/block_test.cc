#include "snapshot/block.h"

#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

std::string record_of(const Item& item) {
    const RecordShape shape(item);
    std::string bytes(shape.bytes, '\0');
    BlockBuilder block;
    block.begin(bytes);
    EXPECT_TRUE(block.fits(shape));
    block.add(item, shape);
    EXPECT_EQ(block.records().size(), bytes.size());
    EXPECT_EQ(block.items(), 1u);
    return bytes;
}

TEST(RecordTest, IsLaidOutAsDocumented) {
    EXPECT_EQ(record_of({.key = "key",
                         .value = "va",
                         .client_flags = 0x01020304,
                         .exptime = 0x11121314,
                         .cas = 0x2122232425262728,
                         .header_bits = store::ItemHeader::kWin | store::ItemHeader::kHit}),
              std::string("\3\0\x0a\7\2\0\0\0"
                          "\x14\x13\x12\x11"
                          "\4\3\2\1"
                          "\x28\x27\x26\x25\x24\x23\x22\x21"
                          "keyva",
                          29));
}

TEST(RecordTest, HasOnlyTheFieldsTheItemHas) {
    EXPECT_EQ(RecordShape({.key = "key", .value = "va"}).bytes, 8u + 5);
    EXPECT_EQ(RecordShape({.key = "key", .value = "va", .exptime = 1}).bytes, 12u + 5);
    EXPECT_EQ(RecordShape({.key = "key", .client_flags = 1, .cas = 1}).bytes, 20u + 3);
}

TEST(RecordTest, EveryItemComesBack) {
    for (const OwnedItem& item : random_items(1, 2000, 100)) {
        const std::string record = record_of(item.view());
        RecordParser parser(Kind::Contents, record);
        Item back;
        ASSERT_EQ(parser.next(back), nullptr);
        EXPECT_TRUE(OwnedItem(back) == item);
        EXPECT_TRUE(parser.done());
    }
}

TEST(RecordTest, IsTheSameWhetherKeyAndValueLieTogetherOrNot) {
    const std::string together = "key and value";
    const std::string_view all = together;
    const std::string value = " and value";
    EXPECT_EQ(record_of({.key = all.substr(0, 3), .value = all.substr(3)}),
              record_of({.key = "key", .value = value}));
}

TEST(RecordTest, MustFitWithAllItsFields) {
    // Key and value alone would fit, the exptime announced does not.
    const std::string record("\1\0\0\1\1\0\0\0kv", 10);
    RecordParser parser(Kind::Contents, record);
    Item item;
    EXPECT_STREQ(parser.next(item), "a record is longer than its block");
}

TEST(FormatTest, HeadersComeBackAndFailOnTheWrongSeed) {
    BlockHeader header{
        .codec = 1, .stored_bytes = 2, .raw_bytes = 3, .items = 4, .payload_checksum = 5};
    const std::uint64_t seed = seed_of({.id = 9, .file = 8}, ChecksumRole::BlockHeader, 7);
    const auto bytes = encode(header, seed);
    BlockHeader back;
    ASSERT_EQ(decode(bytes, seed, back), nullptr);
    EXPECT_EQ(back.items, 4u);
    EXPECT_EQ(back.payload_checksum, 5u);
    EXPECT_EQ(back.checksum, header.checksum);
    for (const std::uint64_t wrong :
         {seed_of({.id = 8, .file = 8}, ChecksumRole::BlockHeader, 7),
          seed_of({.id = 9, .file = 7}, ChecksumRole::BlockHeader, 7),
          seed_of({.id = 9, .file = 8}, ChecksumRole::BlockPayload, 7),
          seed_of({.id = 9, .file = 8}, ChecksumRole::BlockHeader, 6)}) {
        EXPECT_NE(decode(bytes, wrong, back), nullptr);
    }
}

TEST(PayloadChecksumTest, DoesNotDependOnWhereTheBytesAreCut) {
    const std::string bytes = random_items(2, 1, 5000)[0].value + std::string(3000, 'x');
    const std::span<const char> all(bytes);
    const std::uint64_t whole = payload_checksum(5, all, {});
    for (const std::size_t cut :
         {std::size_t{0}, std::size_t{1}, std::size_t{100}, all.size() - 1}) {
        EXPECT_EQ(payload_checksum(5, all.first(cut), all.subspan(cut)), whole) << cut;
    }
    EXPECT_NE(payload_checksum(6, all, {}), whole);
}

}  // namespace
}  // namespace shardmill::snapshot
