#include <algorithm>
#include <thread>

#include "snapshot/helpers.h"
#include "store/item.h"

namespace shardmill::snapshot {
namespace {

class RoundTripTest : public ::testing::TestWithParam<Codec> {
 protected:
    WriterOptions options() const { return {.codec = GetParam()}; }

    void expect_back(const std::vector<Items>& files, const WriterOptions& how) {
        const auto manifest = save(*catalog_, files, how);
        ASSERT_SUCCESS(manifest);
        const auto items = load(fs_, manifest->name);
        ASSERT_SUCCESS(items);
        // Not EXPECT_EQ: nobody wants megabytes of a message.
        EXPECT_TRUE(*items == joined(files));
        EXPECT_EQ(manifest->totals().items, items->size());
    }

    testing::MemoryFileSystem fs_;
    std::unique_ptr<Catalog> catalog_ = open_catalog(fs_);
};

TEST_P(RoundTripTest, KeepsRandomItemsOfManyFiles) {
    expect_back({random_items(1, 500, 300), random_items(2, 3, 10), random_items(3, 2000, 2000)},
                options());
}

TEST_P(RoundTripTest, KeepsItemsAcrossManySmallBlocks) {
    WriterOptions how = options();
    how.block_bytes = 4096;
    expect_back({random_items(4, 3000, 500)}, how);
}

TEST_P(RoundTripTest, KeepsAnEmptySnapshotAndEmptyFiles) {
    expect_back({}, options());
    expect_back({{}, {}, random_items(5, 1, 1), {}}, options());
}

TEST_P(RoundTripTest, KeepsValuesAboveTheBlockSize) {
    Items items = random_items(6, 10, 100);
    items[0].value.assign((1u << 20) - 1, 'x');
    items[3].value.assign(5u << 20, 'y');
    items[9].value = random_items(7, 1, 3u << 20)[0].value;
    expect_back({items}, options());
}

TEST_P(RoundTripTest, KeepsValuesTooLargeForACompressedBlock) {
    Items items = random_items(8, 3, 100);
    items[1].value.assign(kSharedBlockBytesMax - items[1].key.size() - RecordHead::kBytesMax - 8,
                          'x');
    items[2].value.assign(kSharedBlockBytesMax + 1, 'y');
    items[2].value.back() = 'z';
    expect_back({items}, options());
}

TEST_P(RoundTripTest, SurvivesShortTransfers) {
    fs_.shorten_transfers(777);
    WriterOptions how = options();
    how.block_bytes = 4096;
    expect_back({random_items(9, 200, 500)}, how);
}

INSTANTIATE_TEST_SUITE_P(Codecs, RoundTripTest, ::testing::Values(Codec::None, Codec::Zstd),
                         [](const auto& param) {
                             return param.param == Codec::None ? "None" : "Zstd";
                         });

TEST(SnapshotWriterTest, CompressesWhatShrinksAndOnlyThat) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    Items dull(2000, OwnedItem("key", std::string(400, 'x')));
    Items noise = random_items(10, 1, 0);
    std::mt19937_64 random(11);
    noise[0].value.resize(800'000);
    for (char& c : noise[0].value) c = static_cast<char>(random());
    const auto manifest = save(*catalog, {dull, noise}, {.codec = Codec::Zstd});
    ASSERT_SUCCESS(manifest);
    EXPECT_LT(manifest->files[0].totals.file_bytes, 20'000u);
    EXPECT_GE(manifest->files[1].totals.file_bytes, 800'000u);
    const std::string bytes = fs.contents("/data/" + manifest->name + "/shard-0001");
    EXPECT_EQ(bytes[FileHeader::kBytes + 4], 0) << "noise is stored with codec none";
}

TEST(SnapshotWriterTest, FillsFilesFromSeveralThreads) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    auto writer = SnapshotWriter::create(*catalog, Kind::Contents, {}, {.block_bytes = 8192});
    ASSERT_SUCCESS(writer);
    std::vector<std::thread> threads;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        threads.emplace_back([&, seed] {
            auto file = (*writer)->open_file();
            ASSERT_SUCCESS(file);
            for (const OwnedItem& item : random_items(seed, 1000, 100)) {
                ASSERT_SUCCESS((*file)->append(item.view()));
            }
            ASSERT_SUCCESS((*file)->finish());
        });
    }
    for (std::thread& thread : threads) thread.join();
    const auto manifest = (*writer)->commit();
    ASSERT_SUCCESS(manifest);
    EXPECT_EQ(manifest->totals().items, 4000u);

    // And read by several: each file is one of the lists.
    const auto reader = SnapshotReader::open(fs, kDirectory, manifest->name);
    ASSERT_SUCCESS(reader);
    std::vector<Items> loaded(4);
    threads.clear();
    for (std::uint32_t file = 0; file < 4; ++file) {
        threads.emplace_back([&, file] {
            ASSERT_SUCCESS((*reader)->visit_file(file, [&](std::span<const Item> batch) {
                for (const Item& item : batch) loaded[file].emplace_back(item);
                return true;
            }));
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        EXPECT_EQ(std::ranges::count(loaded, random_items(seed, 1000, 100)), 1);
    }
}

TEST(SnapshotWriterTest, NotesTheHighestCasAndTheFacts) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    auto writer = SnapshotWriter::create(*catalog, Kind::Contents, {}, {.shards = 16});
    ASSERT_SUCCESS(writer);
    auto file = (*writer)->open_file();
    ASSERT_SUCCESS(file);
    ASSERT_SUCCESS((*file)->append({.key = "a", .cas = 90}));
    ASSERT_SUCCESS((*file)->finish());
    (*writer)->note_highest_cas(70);
    (*writer)->set_fact("memory_limit", "1");
    (*writer)->set_fact("memory_limit", "64 MiB\nor 100%");
    const auto manifest = (*writer)->commit();
    ASSERT_SUCCESS(manifest);
    const auto reader = SnapshotReader::open(fs, kDirectory, manifest->name);
    ASSERT_SUCCESS(reader);
    EXPECT_EQ((*reader)->manifest(), *manifest);
    EXPECT_EQ(manifest->highest_cas, 90u);
    EXPECT_EQ(manifest->shards, 16u);
    EXPECT_EQ(manifest->fact("memory_limit"), "64 MiB\nor 100%");
    EXPECT_EQ(manifest->fact("else"), "");
}

TEST(SnapshotWriterTest, RefusesItemsOverTheLimitsAndGoesOn) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    auto writer = SnapshotWriter::create(*catalog, Kind::Contents, {}, {});
    ASSERT_SUCCESS(writer);
    auto file = (*writer)->open_file();
    ASSERT_SUCCESS(file);
    const std::string long_key(kContentsKeyBytesMax + 1, 'k');
    EXPECT_EQ((*file)->append({.key = long_key}).error().kind, ErrorKind::Invalid);
    EXPECT_EQ((*file)->append({.key = ""}).error().kind, ErrorKind::Invalid);
    ASSERT_SUCCESS((*file)->append({.key = "a", .value = "b"}));
    ASSERT_SUCCESS((*file)->finish());
    const auto manifest = (*writer)->commit();
    ASSERT_SUCCESS(manifest);
    EXPECT_EQ(manifest->totals().items, 1u);
}

TEST(SnapshotWriterTest, CommitsNothingWhileAFileIsUnfinished) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    auto writer = SnapshotWriter::create(*catalog, Kind::Contents, {}, {});
    ASSERT_SUCCESS(writer);
    auto file = (*writer)->open_file();
    ASSERT_SUCCESS(file);
    EXPECT_EQ((*writer)->commit().error().kind, ErrorKind::Invalid);
    EXPECT_EQ(*catalog->current(), std::nullopt);
    EXPECT_EQ(fs.tree(), (std::vector<std::string>{"/data/", "/data/LOCK"}));
}

TEST(SnapshotItemTest, KeepsOnlyACasThatMattersToClients) {
    using store::ItemHeader;
    store::ItemView view{.key = "k", .value = "v", .client_flags = 3, .exptime = 4, .cas = 5};
    view.header.word = ItemHeader::kHit | ItemHeader::kWin | ItemHeader::kHasExptime;
    Item item = item_of(view);
    EXPECT_EQ(item.cas, 0u);
    EXPECT_EQ(item.header_bits, ItemHeader::kHit | ItemHeader::kWin);
    EXPECT_EQ(item.exptime, 4u);
    EXPECT_EQ(item.client_flags, 3u);
    view.header.word = ItemHeader::kCasSeen;
    EXPECT_EQ(item_of(view).cas, 5u);
    view.header.word = ItemHeader::kHasCas;
    EXPECT_EQ(item_of(view).cas, 5u);
}

}  // namespace
}  // namespace shardmill::snapshot
