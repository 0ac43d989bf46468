#include "engine/crawl_scan.h"

#include <utility>

#include "base/hash.h"

namespace shardmill::engine {
namespace {

constexpr std::size_t kKeysPerTask = 64;                     // dropped under one lock
constexpr std::uint64_t kKeysWaitingMax = 4 * kKeysPerTask;  // for all reactors

}  // namespace

class CrawlScan::Lane final : public ScanLane {
 public:
    explicit Lane(CrawlScan& crawl) : crawl_(crawl) {}

    ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                   const std::atomic<bool>& stop) override {
        resting_ = crawl_.flow_.full();
        if (resting_) return {};
        std::uint64_t items = 0;
        const bool end =
            store::visit_items_from(segment, 0, cursor_, [&](const store::ItemView& item) {
                ++items;
                if (!item.expired(now)) return true;
                keys_.emplace_back(item.key);
                if (keys_.size() < kKeysPerTask) return true;
                crawl_.drop(segment.shard, std::exchange(keys_, {}));
                return !crawl_.flow_.full() && !stop.load(std::memory_order_relaxed);
            });
        crawl_.examined_.fetch_add(items, std::memory_order_relaxed);
        crawl_.parts_.counters->add(ServerCounter::CrawlerItemsChecked, items);
        resting_ = !end;
        if (!end) return {};
        cursor_ = {};
        if (!keys_.empty()) crawl_.drop(segment.shard, std::exchange(keys_, {}));
        return {};
    }
    bool resting() const noexcept override { return resting_; }
    ScanResult finish() override { return {}; }

 private:
    CrawlScan& crawl_;
    std::vector<std::string> keys_;  // expired ones of the present segment
    store::SegmentCursor cursor_;
    bool resting_ = false;
};

CrawlScan::CrawlScan(const CrawlerParts& parts, std::function<void(const CrawlScan&)> on_done)
    : parts_(parts), on_done_(std::move(on_done)), flow_(kKeysWaitingMax) {}

std::expected<std::unique_ptr<ScanLane>, std::string> CrawlScan::start_lane() {
    return std::make_unique<Lane>(*this);
}

void CrawlScan::drop(std::uint32_t shard, std::vector<std::string> keys) {
    flow_.hand_out(keys.size());
    open_.fetch_add(1, std::memory_order_relaxed);
    parts_.reactors[shard % parts_.reactors.size()]->post(
        [self = shared_from_this(), shard, keys = std::move(keys)] {
            std::uint64_t dropped = 0;
            {
                const auto guard = self->parts_.shards->lock(shard);
                const base::UnixSeconds now = self->parts_.clock();
                for (const std::string& key : keys) {
                    dropped += guard->reclaim_expired({key, base::hash_key(key)}, now) ? 1 : 0;
                }
            }
            self->reclaimed_.fetch_add(dropped, std::memory_order_relaxed);
            self->flow_.dealt_with(keys.size());
            self->one_through();
        });
}

void CrawlScan::one_through() {
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    parts_.control->post([self = shared_from_this()] { self->on_done_(*self); });
}

}  // namespace shardmill::engine
