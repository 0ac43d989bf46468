// From a log of what a save does, the states that a file system may be in after a power cut: in
// each of them there is the old snapshot or the new one, whole.

#include "snapshot/helpers.h"
#include "support/operation_log.h"

namespace shardmill::snapshot {
namespace {

using testing::MemoryFileSystem;
using testing::RecordingFileSystem;

constexpr std::uint64_t kTime = 1'795'000'000;

WriterOptions options_at(std::uint64_t save) {
    return {.created = kTime + save, .block_bytes = 4096, .id = save << 32 | save};
}

std::string name_of(std::uint64_t save) {
    return Catalog::snapshot_name(options_at(save).created, options_at(save).id);
}

std::vector<Items> items_of(std::uint64_t save) {
    return {random_items(save, 30, 200), random_items(save + 100, 5, 30)};
}

/// Snapshots 1 and 2, as a disk has them.
void prepare(MemoryFileSystem& files) {
    const auto catalog = open_catalog(files);
    ASSERT_SUCCESS(save(*catalog, items_of(1), options_at(1)));
    ASSERT_SUCCESS(save(*catalog, items_of(2), options_at(2)));
}

/// What there is to load is snapshot 2 or 3, whole; which one?
std::uint64_t loaded(MemoryFileSystem& files) {
    const auto catalog = open_catalog(files);
    const auto current = catalog->current();
    EXPECT_TRUE(current) << problem(current);
    if (!current || !*current) return 0;
    const std::uint64_t number = **current == name_of(3) ? 3 : 2;
    EXPECT_EQ(**current, name_of(number));
    const auto items = load(files, **current);
    EXPECT_TRUE(items) << problem(items);
    EXPECT_TRUE(items && *items == joined(items_of(number)));
    const auto removed = catalog->remove_leftovers();
    EXPECT_TRUE(removed) << problem(removed);
    EXPECT_EQ(**catalog->current(), name_of(number));
    return number;
}

TEST(CrashStateTest, ThereIsTheOldSnapshotOrTheNewOneWhole) {
    MemoryFileSystem files;
    prepare(files);
    RecordingFileSystem recorder(files);
    {
        const auto catalog = open_catalog(recorder);
        ASSERT_SUCCESS(save(*catalog, items_of(3), options_at(3)));
    }
    const auto& log = recorder.log();
    ASSERT_GT(log.size(), 20u);
    std::uint64_t states = 0;
    std::uint64_t old_ones = 0;
    for (std::size_t done = 0; done <= log.size(); ++done) {
        SCOPED_TRACE(done);
        testing::for_each_crash_state(log, done, prepare, [&](MemoryFileSystem& crashed) {
            const std::uint64_t number = loaded(crashed);
            ++states;
            if (number == 2) ++old_ones;
            if (done == log.size()) {
                EXPECT_EQ(number, 3u) << "it was reported as saved";
            }
        });
        if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(states, 150u);
    EXPECT_GT(old_ones, 50u);
    EXPECT_LT(old_ones, states - 20);
}

TEST(CrashStateTest, AResultIsThereWholeOrNotAtAll) {
    MemoryFileSystem files;
    prepare(files);
    RecordingFileSystem recorder(files);
    {
        const auto catalog = open_catalog(recorder);
        ASSERT_SUCCESS(save(*catalog, items_of(5), options_at(5), Kind::Result, "job-1"));
    }
    const auto& log = recorder.log();
    for (std::size_t done = 0; done <= log.size(); ++done) {
        SCOPED_TRACE(done);
        testing::for_each_crash_state(log, done, prepare, [&](MemoryFileSystem& crashed) {
            EXPECT_EQ(loaded(crashed), 2u);
            const auto catalog = Catalog::inspect(crashed, kDirectory);
            const auto results = (*catalog)->results();
            ASSERT_SUCCESS(results);
            if (done == log.size()) {
                EXPECT_EQ(results->size(), 1u);
            }
            if (results->empty()) return;
            const auto rows = load(crashed, "result-job-1");
            ASSERT_SUCCESS(rows);
            EXPECT_TRUE(*rows == joined(items_of(5)));
        });
        if (::testing::Test::HasFailure()) return;
    }
}

/// The checker itself must find a writer that does not sync.
TEST(CrashStateTest, AWriterThatLeavesOutASyncIsFound) {
    MemoryFileSystem files;
    prepare(files);
    RecordingFileSystem recorder(files);
    {
        const auto catalog = open_catalog(recorder);
        ASSERT_SUCCESS(save(*catalog, items_of(3), options_at(3)));
    }
    for (const auto kind :
         {testing::FileOperation::Kind::Sync, testing::FileOperation::Kind::SyncDirectory}) {
        auto log = recorder.log();
        std::erase_if(log, [kind](const auto& operation) { return operation.kind == kind; });
        std::uint64_t broken = 0;
        testing::for_each_crash_state(log, log.size(), prepare, [&](MemoryFileSystem& crashed) {
            const auto catalog = Catalog::inspect(crashed, kDirectory);
            const auto current = (*catalog)->current();
            const bool whole = current && *current && **current == name_of(3) &&
                               load(crashed, **current).has_value();
            if (!whole) ++broken;
        });
        EXPECT_GT(broken, 0u);
    }
}

}  // namespace
}  // namespace shardmill::snapshot
