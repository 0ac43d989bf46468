#include "engine/snapshot_scan.h"

#include <utility>

#include "runtime/worker_pool.h"
#include "snapshot/item.h"

namespace shardmill::engine {
namespace {

// Between two looks whether somebody else wants the core: some tens of microseconds.
constexpr std::size_t kStepBytes = 16u << 10;
constexpr std::size_t kItemBytes = 64;  // counted for an item beside its value

}  // namespace

class SnapshotScan::Lane final : public ScanLane {
 public:
    Lane(SnapshotScan& scan, std::unique_ptr<snapshot::ShardFileWriter> file)
        : scan_(scan), file_(std::move(file)) {
        account();
    }
    ~Lane() override { scan_.memory_.fetch_sub(memory_, std::memory_order_relaxed); }

    ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                   const std::atomic<bool>& stop) override {
        resting_ = scan_.budget_.spent();
        if (resting_) return {};
        ScanResult result;
        store::SegmentCursor cursor;
        store::visit_items_from(segment, now, cursor, [&](const store::ItemView& item) {
            if (stop.load(std::memory_order_relaxed)) return false;
            since_gave_way_ += item.value.size() + kItemBytes;
            if (since_gave_way_ >= kStepBytes) {
                since_gave_way_ = 0;
                runtime::give_way();
            }
            if (auto written = file_->append(snapshot::item_of(item)); !written) {
                result = std::unexpected(std::move(written.error().what));
            }
            return result.has_value();
        });
        account();
        return result;
    }

    /// Before it has read anything of the segment.
    bool resting() const noexcept override { return resting_; }

    ScanResult finish() override {
        auto finished = file_->finish();
        account();
        if (!finished) return std::unexpected(std::move(finished.error().what));
        return {};
    }

 private:
    void account() noexcept {
        const std::uint64_t bytes = file_->file_bytes();
        const std::uint64_t written = bytes - std::exchange(bytes_, bytes);
        scan_.file_bytes_.fetch_add(written, std::memory_order_relaxed);
        scan_.budget_.spend(written);
        const std::uint64_t items = file_->totals().items;
        scan_.items_.fetch_add(items - std::exchange(items_, items), std::memory_order_relaxed);
        const std::uint64_t memory = file_->memory_bytes();
        const std::uint64_t more = memory - std::exchange(memory_, memory);  // or less
        const std::uint64_t all = scan_.memory_.fetch_add(more, std::memory_order_relaxed) + more;
        std::uint64_t peak = scan_.memory_peak();
        while (peak < all &&
               !scan_.memory_peak_.compare_exchange_weak(peak, all, std::memory_order_relaxed)) {
        }
    }

    SnapshotScan& scan_;
    const std::unique_ptr<snapshot::ShardFileWriter> file_;
    bool resting_ = false;
    std::size_t since_gave_way_ = 0;  // bytes
    // What the scan has been told of.
    std::uint64_t bytes_ = 0;
    std::uint64_t items_ = 0;
    std::uint64_t memory_ = 0;
};

SnapshotScan::SnapshotScan(std::unique_ptr<snapshot::SnapshotWriter> writer, std::uint64_t rate,
                           std::function<void(const ScanOutcome&)> on_done)
    : writer_(std::move(writer)), on_done_(std::move(on_done)), budget_(rate) {}

std::expected<std::unique_ptr<ScanLane>, std::string> SnapshotScan::start_lane() {
    auto file = writer_->open_file();
    if (!file) return std::unexpected(std::move(file.error().what));
    return std::make_unique<Lane>(*this, std::move(*file));
}

ScanResult SnapshotScan::complete(const std::atomic<bool>&) {
    auto manifest = writer_->commit();
    if (!manifest) return std::unexpected(std::move(manifest.error().what));
    totals_ = manifest->totals();
    return {};
}

}  // namespace shardmill::engine
