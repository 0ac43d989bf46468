#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/command_context.h"
#include "engine/control_queue.h"
#include "engine/counters.h"
#include "engine/scan_consumer.h"
#include "engine/scan_flow.h"
#include "net/executor.h"
#include "runtime/task_queue.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// What `lru_crawler` works with. Everything pointed to outlives its scans.
struct CrawlerParts {
    ControlQueue* control = nullptr;
    ScanDriver* scans = nullptr;
    store::ShardSet* shards = nullptr;
    std::vector<runtime::TaskQueue*> reactors;  // at least one
    net::Replier* replier = nullptr;
    ServerCounters* counters = nullptr;
    std::function<void(std::string)> note;  // lines for those who watch the system; or empty
    CommandLimits limits;
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
};

enum class DumpFormat : std::uint8_t { Metadump, Mgdump };

/// `lru_crawler metadump` and `mgdump`: the items of a cut as lines, pushed to a connection as fast
/// as its client reads. Lanes write into chunks; with a few hundred KiB unread they rest. When an
/// item was last read is in the index, which is looked at without a lock; where that does not tell,
/// the shard is asked on a reactor, a few items at a time.
class DumpScan final : public ScanConsumer, public std::enable_shared_from_this<DumpScan> {
 public:
    /// `on_done` runs on the control thread once nothing more will be pushed.
    DumpScan(const CrawlerParts& parts, DumpFormat format, net::ConnectionId connection,
             std::function<void(const ScanOutcome&)> on_done);

    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override;
    ScanResult complete(const std::atomic<bool>&) override { return {}; }
    void done(const ScanOutcome& outcome) override;

    /// Sends `text` as part of the dump. Any thread.
    void push(std::string text);
    ScanFlow& flow() noexcept { return flow_; }

 private:
    class Lane;
    /// An item whose access the index did not tell.
    struct Stray {
        std::string key;
        std::uint64_t hash;
        std::uint64_t cas;
        std::uint64_t size;
        std::uint32_t exptime;
        std::uint32_t client_flags;
        bool hit;
    };
    void ask(std::uint32_t shard, std::vector<Stray> strays, base::UnixSeconds cut);
    void answer(std::uint32_t shard, const std::vector<Stray>& strays, base::UnixSeconds cut);
    void one_through();

    const CrawlerParts parts_;
    const DumpFormat format_;
    const net::ConnectionId connection_;
    const std::function<void(const ScanOutcome&)> on_done_;
    ScanFlow flow_;
    std::once_flag begun_;
    std::atomic<std::uint32_t> open_{1};  // the scan, and what reactors are being asked
    ScanOutcome outcome_;
};

}  // namespace shardmill::engine
