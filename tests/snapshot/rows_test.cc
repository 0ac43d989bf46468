#include "snapshot/helpers.h"

namespace shardmill::snapshot {
namespace {

/// A result of three files, small blocks, rows "0", "1", ... in order.
class RowsTest : public ::testing::Test {
 protected:
    static constexpr std::size_t kRows = 5000;

    void SetUp() override {
        std::vector<Items> files(4);
        for (std::size_t row = 0; row < kRows; ++row) {
            const std::size_t file = row < 10 ? 0 : row < 3000 ? 1 : 3;  // 2 stays empty
            files[file].emplace_back(std::to_string(row), std::string(row % 50, 'v'));
        }
        const auto manifest =
            save(*catalog_, files, {.block_bytes = 4096}, Kind::Result, "18f3a0-7");
        ASSERT_SUCCESS(manifest);
        ASSERT_GT(manifest->totals().blocks, 10u);
        auto reader = SnapshotReader::open(fs_, kDirectory, "result-18f3a0-7");
        ASSERT_SUCCESS(reader);
        reader_ = std::move(*reader);
    }

    void expect_page(std::uint64_t from, std::uint64_t rows) {
        std::uint64_t next = from;
        const auto taken = reader_->read_rows(from, rows, [&](const Item& item) {
            EXPECT_EQ(item.key, std::to_string(next));
            EXPECT_EQ(item.value, std::string(next % 50, 'v'));
            ++next;
            return true;
        });
        ASSERT_SUCCESS(taken);
        EXPECT_EQ(*taken, from >= kRows ? 0 : std::min<std::uint64_t>(rows, kRows - from));
        EXPECT_EQ(next - from, *taken);
    }

    testing::MemoryFileSystem fs_;
    std::unique_ptr<Catalog> catalog_ = open_catalog(fs_);
    std::unique_ptr<SnapshotReader> reader_;
};

TEST_F(RowsTest, GivesAnyPage) {
    for (const std::uint64_t from : {0, 1, 9, 10, 11, 2999, 3000, 3001, 4998, 4999, 5000, 9999}) {
        for (const std::uint64_t rows : {0, 1, 2, 25, 3000, 10000}) expect_page(from, rows);
    }
}

TEST_F(RowsTest, GivesAllRowsPageByPage) {
    for (std::uint64_t from = 0; from < kRows; from += 37) expect_page(from, 37);
}

TEST_F(RowsTest, EndsThePageWhenTheVisitorSaysSo) {
    std::uint64_t seen = 0;
    const auto taken = reader_->read_rows(5, 100, [&](const Item&) { return ++seen < 30; });
    ASSERT_SUCCESS(taken);
    EXPECT_EQ(*taken, 30u);
    EXPECT_EQ(seen, 30u);
}

TEST_F(RowsTest, RowsMayHaveEmptyAndLongKeys) {
    const Items rows = {OwnedItem("", "nothing"), OwnedItem(std::string(5000, 'k'), "long")};
    ASSERT_SUCCESS(save(*catalog_, {rows}, {}, Kind::Result, "keys"));
    const auto items = load(fs_, "result-keys");
    ASSERT_SUCCESS(items);
    EXPECT_EQ(*items, rows);
}

TEST_F(RowsTest, StopsReadingWhenAVisitorOfBlocksSaysSo) {
    const auto result = reader_->visit_all([](std::span<const Item>) { return false; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::Stopped);
    EXPECT_EQ(reader_->visit_file(4, {}).error().kind, ErrorKind::NotFound);
}

}  // namespace
}  // namespace shardmill::snapshot
