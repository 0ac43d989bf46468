#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/dump_scan.h"
#include "engine/scan_driver.h"
#include "net/executor.h"

namespace shardmill::engine {

/// `lru_crawler crawl`, `metadump` and `mgdump`: one of them runs at a time. Control thread only.
class CrawlerCommands {
 public:
    explicit CrawlerCommands(const CrawlerParts& parts) : parts_(parts) {}

    /// `arguments`: the word, unabbreviated, and the classes. A dump's reply is its last line; a
    /// pass of `crawl` is answered when it starts.
    void execute(std::string_view arguments, net::ConnectionId connection);
    /// Nobody is left to read this connection's dump.
    void forget(net::ConnectionId connection);

 private:
    struct Running {
        ScanDriver::Handle handle;
        std::shared_ptr<DumpScan> dump;  // nullptr: a pass of crawl
        net::ConnectionId reader{};
        ControlQueue::TimerId timer = 0;
        std::uint64_t dealt_with = 0;  // at the last look
        std::uint32_t seconds_stalled = 0;
        bool given_up = false;
    };
    void crawl();
    void dump(DumpFormat format, bool any_class, net::ConnectionId connection);
    void begin();
    void look();
    void look_later();
    void dump_done(DumpFormat format, const ScanOutcome& outcome);
    void end();

    const CrawlerParts parts_;
    std::optional<Running> running_;
};

}  // namespace shardmill::engine
