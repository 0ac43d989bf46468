#include <cerrno>

#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

constexpr std::uint64_t kTime = 1'795'000'000;

WriterOptions options_at(std::uint64_t save) {
    return {.created = kTime + save, .block_bytes = 4096, .id = save << 32 | save};
}

std::vector<Items> items_of_save(std::uint64_t save) {
    return {random_items(save, 60, 300), random_items(save + 100, 5, 30)};
}

/// A directory in which snapshots 1 and 2 are committed.
class FaultTest : public ::testing::Test {
 protected:
    void prepare() {
        catalog_.reset();
        fs_ = std::make_unique<testing::MemoryFileSystem>();
        catalog_ = open_catalog(*fs_);
        for (const std::uint64_t number : {1, 2}) {
            ASSERT_SUCCESS(save(*catalog_, items_of_save(number), options_at(number)));
        }
    }

    static std::string name_of(std::uint64_t number) {
        return Catalog::snapshot_name(options_at(number).created, options_at(number).id);
    }

    void expect_current(std::uint64_t number) {
        const auto current = catalog_->current();
        ASSERT_SUCCESS(current);
        ASSERT_EQ(*current, name_of(number));
        expect_readable(number);
    }

    void expect_readable(std::uint64_t number) {
        const auto items = load(*fs_, name_of(number));
        ASSERT_SUCCESS(items);
        ASSERT_TRUE(*items == joined(items_of_save(number)));
    }

    /// Operations of one undisturbed third save.
    std::uint64_t operations_of_a_save() {
        prepare();
        const std::uint64_t before = fs_->operations();
        EXPECT_TRUE(save(*catalog_, items_of_save(3), options_at(3)));
        return fs_->operations() - before;
    }

    /// A third save whose operations fail from `n` on (`only` those of one kind), then a power cut,
    /// then a restart. True if the third snapshot is the current one afterwards.
    bool survives_power_cut(std::uint64_t n, std::uint64_t seed, const std::string& only) {
        bool is_new = false;
        [&] {
            prepare();
            fs_->fail_from(fs_->operations() + n, EIO, only);
            const auto saved = save(*catalog_, items_of_save(3), options_at(3));
            catalog_.reset();
            fs_->power_cut(n * 1000 + seed);
            catalog_ = open_catalog(*fs_);
            SCOPED_TRACE("failed: " + fs_->failed_operation());
            const auto current = catalog_->current();
            ASSERT_SUCCESS(current);
            is_new = *current == name_of(3);
            if (saved) {
                ASSERT_TRUE(is_new) << "a save that was reported done is gone";
            }
            expect_current(is_new ? 3 : 2);
            ASSERT_SUCCESS(catalog_->remove_leftovers());
            expect_current(is_new ? 3 : 2);
            ASSERT_SUCCESS(save(*catalog_, items_of_save(4), options_at(4)));
            expect_current(4);
        }();
        return is_new;
    }

    std::unique_ptr<testing::MemoryFileSystem> fs_;
    std::unique_ptr<Catalog> catalog_;
};

TEST_F(FaultTest, OneFailingOperationLeavesThePreviousSnapshotCurrent) {
    const std::uint64_t operations = operations_of_a_save();
    ASSERT_GT(operations, 20u);
    unsigned failures = 0;
    for (std::uint64_t n = 0; n < operations; ++n) {
        prepare();
        fs_->fail_at(fs_->operations() + n, n % 2 == 0 ? ENOSPC : EIO);
        const auto saved = save(*catalog_, items_of_save(3), options_at(3));
        SCOPED_TRACE("failed: " + fs_->failed_operation());
        expect_current(saved ? 3 : 2);
        if (!saved) {
            ++failures;
            EXPECT_EQ(saved.error().kind, ErrorKind::Io);
            EXPECT_NE(saved.error().what.find("/data"), std::string::npos) << saved.error().what;
            expect_readable(1);
        }
        // Whatever is left over is seen as such, and the next save works.
        ASSERT_SUCCESS(catalog_->remove_leftovers());
        const auto entries = catalog_->list();
        for (const CatalogEntry& entry : *entries) {
            EXPECT_EQ(entry.state, CatalogEntry::State::Complete) << entry.name;
        }
        ASSERT_SUCCESS(save(*catalog_, items_of_save(4), options_at(4)));
        expect_current(4);
        EXPECT_EQ(catalog_->list()->size(), 2u) << "two are kept";
        EXPECT_TRUE((*catalog_->list())[1].name == (saved ? name_of(3) : name_of(2)))
            << "beside the new one, the one committed before it";
    }
    EXPECT_GT(failures, 20u);
}

TEST_F(FaultTest, AProcessThatDiesAnywhereLeavesACompleteSnapshotCurrent) {
    const std::uint64_t operations = operations_of_a_save();
    for (std::uint64_t n = 0; n < operations; ++n) {
        prepare();
        fs_->fail_from(fs_->operations() + n, EIO);
        const auto saved = save(*catalog_, items_of_save(3), options_at(3));
        fs_->clear_faults();
        catalog_.reset();
        catalog_ = open_catalog(*fs_);
        SCOPED_TRACE("dead from: " + fs_->failed_operation());
        const auto current = catalog_->current();
        ASSERT_SUCCESS(current);
        // Only when not even the way back to the old name could be written may a failed save be the
        // current one; it is complete then.
        expect_current(*current == name_of(3) ? 3 : 2);
        if (saved) {
            ASSERT_EQ(*current, name_of(3));
        }
        ASSERT_SUCCESS(catalog_->remove_leftovers());
        expect_current(*current == name_of(3) ? 3 : 2);
    }
}

TEST_F(FaultTest, APowerCutAnywhereLeavesACompleteSnapshotCurrent) {
    const std::uint64_t operations = operations_of_a_save();
    unsigned old_ones = 0;
    unsigned new_ones = 0;
    for (std::uint64_t n = 0; n <= operations; ++n) {
        for (std::uint64_t seed = 0; seed < 12; ++seed) {
            const bool is_new = survives_power_cut(n, seed, "");
            (is_new ? new_ones : old_ones) += 1;
            if (HasFatalFailure()) return;
        }
    }
    EXPECT_GT(old_ones, 0u);
    EXPECT_GT(new_ones, 0u);
}

TEST_F(FaultTest, APowerCutAfterNamesCouldNotBeSyncedLeavesACompleteSnapshotCurrent) {
    // The process lives on, tidies up behind the failed save, and nobody knows which names the disk
    // holds.
    const std::uint64_t operations = operations_of_a_save();
    for (std::uint64_t n = 0; n < operations; ++n) {
        for (std::uint64_t seed = 0; seed < 12; ++seed) {
            survives_power_cut(n, seed, "sync directory");
            if (HasFatalFailure()) return;
        }
    }
}

TEST_F(FaultTest, AFailedResultIsNotThereAndItsNameIsFree) {
    prepare();
    const std::uint64_t before = fs_->operations();
    ASSERT_SUCCESS(save(*catalog_, items_of_save(5), options_at(5), Kind::Result, "job-1"));
    const std::uint64_t operations = fs_->operations() - before;
    for (std::uint64_t n = 0; n < operations; ++n) {
        prepare();
        fs_->fail_at(fs_->operations() + n, ENOSPC);
        const auto saved = save(*catalog_, items_of_save(5), options_at(5), Kind::Result, "job-1");
        SCOPED_TRACE("failed: " + fs_->failed_operation());
        ASSERT_FALSE(saved);
        EXPECT_TRUE(catalog_->results()->empty());
        ASSERT_SUCCESS(save(*catalog_, items_of_save(5), options_at(6), Kind::Result, "job-1"));
        const auto items = load(*fs_, "result-job-1");
        ASSERT_SUCCESS(items);
        EXPECT_TRUE(*items == joined(items_of_save(5)));
        expect_current(2);
    }
}

TEST_F(FaultTest, AResultReportedDoneSurvivesAPowerCut) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        prepare();
        ASSERT_SUCCESS(save(*catalog_, items_of_save(5), options_at(5), Kind::Result, "job-1"));
        catalog_.reset();
        fs_->power_cut(seed);
        catalog_ = open_catalog(*fs_);
        EXPECT_EQ(*catalog_->results(), std::vector<std::string>{"job-1"});
        const auto items = load(*fs_, "result-job-1");
        ASSERT_SUCCESS(items);
        EXPECT_TRUE(*items == joined(items_of_save(5)));
    }
}

TEST_F(FaultTest, NoErrorIsForgottenByAFileThatFailedOnce) {
    prepare();
    auto writer = SnapshotWriter::create(*catalog_, Kind::Contents, {}, options_at(3));
    ASSERT_SUCCESS(writer);
    auto file = (*writer)->open_file();
    ASSERT_SUCCESS(file);
    ASSERT_SUCCESS((*file)->append({.key = "a", .value = "b"}));
    fs_->fail_at(fs_->operations() + 1, EIO);  // write, then sync
    EXPECT_FALSE((*file)->finish());
    EXPECT_FALSE((*file)->finish()) << "a failed sync is final";
    EXPECT_FALSE((*file)->append({.key = "c", .value = "d"}));
    EXPECT_FALSE((*writer)->commit());
    expect_current(2);
}

}  // namespace
}  // namespace shardmill::snapshot
