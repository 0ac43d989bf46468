#include "snapshot/catalog.h"

#include <cerrno>

#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

constexpr std::uint64_t kTime = 1'795'000'000;

class CatalogTest : public ::testing::Test {
 protected:
    std::string save_at(std::uint64_t created, unsigned keep = 2) {
        const auto manifest =
            save(*catalog_, {random_items(created, 5, 20)}, {.created = created, .keep = keep});
        EXPECT_TRUE(manifest) << problem(manifest);
        return manifest ? manifest->name : std::string();
    }
    std::vector<std::string> names() {
        std::vector<std::string> names;
        const auto entries = catalog_->list();
        for (const CatalogEntry& entry : *entries) names.push_back(entry.name);
        return names;
    }

    testing::MemoryFileSystem fs_;
    std::unique_ptr<Catalog> catalog_ = open_catalog(fs_);
};

TEST_F(CatalogTest, AnEmptyDirectoryHasNothingToLoad) {
    EXPECT_TRUE(catalog_->list()->empty());
    EXPECT_EQ(*catalog_->current(), std::nullopt);
    EXPECT_TRUE(catalog_->load_candidates()->empty());
    EXPECT_EQ(*catalog_->remove_leftovers(), 0u);
}

TEST_F(CatalogTest, RefusesADirectoryAnotherServerUses) {
    const auto second = Catalog::open(fs_, kDirectory);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::Locked);
    EXPECT_NE(second.error().what.find("/data is in use by another server"), std::string::npos);
    catalog_.reset();
    EXPECT_TRUE(Catalog::open(fs_, kDirectory));
}

TEST_F(CatalogTest, SaysWhatIsMissing) {
    const auto catalog = Catalog::open(fs_, "/no/such/place");
    ASSERT_FALSE(catalog);
    EXPECT_NE(catalog.error().what.find("/no/such/place"), std::string::npos);
    EXPECT_NE(catalog.error().what.find("check that the directory exists"), std::string::npos);
    fs_.set_contents("/file", "x");
    EXPECT_EQ(Catalog::open(fs_, "/file").error().kind, ErrorKind::Invalid);
}

TEST_F(CatalogTest, KeepsTwo) {
    save_at(kTime);
    const std::string second = save_at(kTime + 1);
    const std::string third = save_at(kTime + 2);
    EXPECT_EQ(names(), (std::vector{third, second}));
    EXPECT_EQ(*catalog_->current(), third);
    EXPECT_EQ(*catalog_->load_candidates(), (std::vector{third, second}));
}

TEST_F(CatalogTest, KeepsAsManyAsToldTo) {
    for (std::uint64_t time = kTime; time < kTime + 5; ++time) save_at(time, 4);
    EXPECT_EQ(names().size(), 4u);
    save_at(kTime + 9, 1);
    EXPECT_EQ(names().size(), 1u);
}

TEST_F(CatalogTest, KeepsTheCurrentOneWhenTheClockWentBack) {
    const std::string first = save_at(kTime);
    const std::string second = save_at(kTime - 1000);
    const std::string third = save_at(kTime - 2000);
    EXPECT_EQ(*catalog_->current(), third);
    EXPECT_EQ(names(), (std::vector{second, third}));
    ASSERT_TRUE(first != second);
    EXPECT_EQ(*catalog_->load_candidates(), (std::vector{third, second}));
}

TEST_F(CatalogTest, WhatIsRetiredIsNotLoadedAgain) {
    EXPECT_TRUE(catalog_->retire_snapshots());  // there is nothing
    save_at(kTime);
    save_at(kTime + 1);
    ASSERT_TRUE(catalog_->retire_snapshots());
    EXPECT_TRUE(names().empty());
    EXPECT_EQ(*catalog_->current(), std::nullopt);
    EXPECT_TRUE(catalog_->load_candidates()->empty());
    const std::string next = save_at(kTime + 2);
    EXPECT_EQ(*catalog_->load_candidates(), std::vector{next});
}

TEST_F(CatalogTest, LeavesResultsAndForeignFilesAlone) {
    ASSERT_SUCCESS(save(*catalog_, {{OwnedItem("a", "1")}}, {}, Kind::Result, "18f3a0-7"));
    fs_.set_contents("/data/notes.txt", "x");
    ASSERT_TRUE(fs_.make_directory("/data/backup"));
    for (std::uint64_t time = kTime; time < kTime + 4; ++time) save_at(time);
    EXPECT_EQ(*catalog_->remove_leftovers(), 0u);
    EXPECT_EQ(*catalog_->results(), std::vector<std::string>{"18f3a0-7"});
    EXPECT_EQ(fs_.contents("/data/notes.txt"), "x");
    EXPECT_TRUE(*fs_.stat("/data/backup"));
}

TEST_F(CatalogTest, RemovesWhatInterruptedSavesLeft) {
    const std::string sound = save_at(kTime);
    const std::string half = "/data/" + Catalog::snapshot_name(kTime + 1, 5);
    ASSERT_TRUE(fs_.make_directory(half));
    fs_.set_contents(half + "/shard-0000.tmp", "half");
    ASSERT_TRUE(fs_.make_directory("/data/result-7.tmp"));
    fs_.set_contents("/data/result-7.tmp/MANIFEST", "whatever");
    fs_.set_contents("/data/CURRENT.tmp", "snap-");
    EXPECT_EQ(names().size(), 3u);
    EXPECT_EQ(*catalog_->remove_leftovers(), 3u);
    EXPECT_EQ(names(), std::vector{sound});
    EXPECT_EQ(*catalog_->remove_leftovers(), 0u);
}

TEST_F(CatalogTest, DoesNotTouchASaveUnderWay) {
    auto writer = SnapshotWriter::create(*catalog_, Kind::Contents, {}, {});
    ASSERT_SUCCESS(writer);
    auto result = SnapshotWriter::create(*catalog_, Kind::Result, "job", {});
    ASSERT_SUCCESS(result);
    EXPECT_EQ(*catalog_->remove_leftovers(), 0u);
    EXPECT_FALSE(catalog_->remove((*writer)->name()));
    EXPECT_EQ(SnapshotWriter::create(*catalog_, Kind::Contents, {}, {}).error().kind,
              ErrorKind::Invalid)
        << "one snapshot at a time";
    EXPECT_EQ(SnapshotWriter::create(*catalog_, Kind::Result, "job", {}).error().kind,
              ErrorKind::Exists);
    ASSERT_SUCCESS((*writer)->commit());
    ASSERT_SUCCESS((*result)->commit());
    EXPECT_EQ(SnapshotWriter::create(*catalog_, Kind::Result, "job", {}).error().kind,
              ErrorKind::Exists);
}

TEST_F(CatalogTest, RemovesWhatItIsToldToButNotTheCurrentOne) {
    const std::string first = save_at(kTime);
    const std::string second = save_at(kTime + 1);
    ASSERT_SUCCESS(save(*catalog_, {{OwnedItem("a", "1")}}, {}, Kind::Result, "job"));
    EXPECT_EQ(catalog_->remove(second).error().kind, ErrorKind::Invalid);
    ASSERT_SUCCESS(catalog_->remove(first));
    EXPECT_EQ(catalog_->remove(first).error().kind, ErrorKind::NotFound);
    ASSERT_SUCCESS(catalog_->remove("result-job"));
    for (const char* name : {"LOCK", "..", "", "result-../x.tmp", "snap-", "result-"}) {
        EXPECT_EQ(catalog_->remove(name).error().kind, ErrorKind::NotFound) << name;
    }
    EXPECT_EQ(names(), std::vector{second});
}

TEST_F(CatalogTest, ShowsDamagedOnesAndDoesNotRemoveThem) {
    const std::string first = save_at(kTime);
    fs_.set_contents("/data/" + first + "/MANIFEST", "nonsense\n");
    for (std::uint64_t time = kTime + 1; time < kTime + 4; ++time) save_at(time);
    EXPECT_EQ(*catalog_->remove_leftovers(), 0u);
    const auto entries = *catalog_->list();
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_EQ(entries[2].name, first);
    EXPECT_EQ(entries[2].state, CatalogEntry::State::Damaged);
    EXPECT_NE(entries[2].problem.find(first + "/MANIFEST"), std::string::npos);
}

TEST_F(CatalogTest, ListsFactsAndMarksTheCurrentOne) {
    const std::string first = save_at(kTime);
    const std::string second = save_at(kTime + 1);
    const auto entries = *catalog_->list();
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].name, second);
    EXPECT_TRUE(entries[0].current);
    EXPECT_FALSE(entries[1].current);
    EXPECT_EQ(entries[1].manifest.created, kTime);
    EXPECT_EQ(entries[1].manifest.totals().items, 5u);
}

TEST_F(CatalogTest, ReportsACurrentThatMakesNoSense) {
    const std::string name = save_at(kTime);
    for (const std::string& text : {std::string(), std::string("snap-1\n"), name,
                                    "../" + name + "\n", Catalog::snapshot_name(kTime, 1) + "\n"}) {
        fs_.set_contents("/data/CURRENT", text);
        EXPECT_EQ(catalog_->current().error().kind, ErrorKind::Corrupt) << text;
        EXPECT_EQ(catalog_->load_candidates().error().kind, ErrorKind::Corrupt) << text;
        EXPECT_EQ(*catalog_->complete_snapshots(), std::vector{name});
    }
}

TEST_F(CatalogTest, LookingNeedsNoLockAndChangesNothing) {
    const std::string name = save_at(kTime);
    const auto looker = Catalog::inspect(fs_, kDirectory);
    ASSERT_SUCCESS(looker);
    EXPECT_EQ(*(*looker)->current(), name);
    EXPECT_EQ((*looker)->list()->size(), 1u);
    EXPECT_EQ((*looker)->remove(name).error().kind, ErrorKind::Invalid);
    EXPECT_EQ((*looker)->prune(1).error().kind, ErrorKind::Invalid);
    EXPECT_EQ((*looker)->remove_leftovers().error().kind, ErrorKind::Invalid);
    EXPECT_EQ(SnapshotWriter::create(**looker, Kind::Contents, {}, {}).error().kind,
              ErrorKind::Invalid);
    EXPECT_EQ(Catalog::inspect(fs_, "/nothing").error().kind, ErrorKind::NotFound);
}

TEST(CatalogNameTest, NamesSayTimeAndId) {
    EXPECT_EQ(Catalog::snapshot_name(1'795'403'700, 0x6f0c12ab'00000001),
              "snap-20261123T031500Z-6f0c12ab");
    EXPECT_TRUE(Catalog::is_snapshot_name("snap-20261123T031500Z-6f0c12ab"));
    for (const char* name : {"", "snap-", "snap-20261123T031500Z-6f0c12aB", "snap-20261123T031500Z",
                             "snap-20261123T031500Z-6f0c12ab.tmp", "xnap-20261123T031500Z-6f0c12ab",
                             "snap-2026112xT031500Z-6f0c12ab"}) {
        EXPECT_FALSE(Catalog::is_snapshot_name(name)) << name;
    }
}

TEST(CatalogNameTest, ResultNamesCannotLeaveTheDirectory) {
    EXPECT_TRUE(Catalog::is_result_name("result-18f3a0-7"));
    EXPECT_TRUE(Catalog::is_result_name("result-a.b_C"));
    for (const std::string& job :
         {std::string(), std::string(".."), std::string("a/b"), std::string("a b"),
          std::string("x.tmp"), std::string(201, 'a'), std::string("a\0b", 3)}) {
        EXPECT_FALSE(Catalog::is_result_name("result-" + job)) << job;
    }
    EXPECT_NE(Catalog::random_id(), Catalog::random_id());
}

TEST(CatalogNameTest, JobsWithSuchNamesAreRefused) {
    testing::MemoryFileSystem fs;
    const auto catalog = open_catalog(fs);
    EXPECT_EQ(SnapshotWriter::create(*catalog, Kind::Result, "../x", {}).error().kind,
              ErrorKind::Invalid);
    EXPECT_EQ(SnapshotReader::open(fs, kDirectory, "result-../x").error().kind,
              ErrorKind::NotFound);
}

}  // namespace
}  // namespace shardmill::snapshot
