#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/dump_scan.h"
#include "engine/scan_consumer.h"
#include "engine/scan_flow.h"

namespace shardmill::engine {

/// `lru_crawler crawl`: finds what has expired among the items of a cut and has reactors drop it, a
/// few keys at a time. Housekeeping frees segments that have expired as a whole; this also reaches
/// what lies between items that live on.
class CrawlScan final : public ScanConsumer, public std::enable_shared_from_this<CrawlScan> {
 public:
    /// `on_done` runs on the control thread once nothing more will be dropped.
    CrawlScan(const CrawlerParts& parts, std::function<void(const CrawlScan&)> on_done);

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override;
    ScanResult complete(const std::atomic<bool>&) override { return {}; }
    void done(const ScanOutcome&) override { one_through(); }

    ScanFlow& flow() noexcept { return flow_; }
    /// So far. Any thread.
    std::uint64_t examined() const noexcept { return examined_.load(std::memory_order_relaxed); }
    std::uint64_t reclaimed() const noexcept { return reclaimed_.load(std::memory_order_relaxed); }

 private:
    class Lane;
    void drop(std::uint32_t shard, std::vector<std::string> keys);
    void one_through();

    const CrawlerParts parts_;
    const std::function<void(const CrawlScan&)> on_done_;
    ScanFlow flow_;
    std::atomic<std::uint32_t> open_{1};  // the scan, and tasks of reactors
    std::atomic<std::uint64_t> examined_{0};
    std::atomic<std::uint64_t> reclaimed_{0};
};

}  // namespace shardmill::engine
