#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "store/cut.h"

namespace shardmill::engine {

/// How a scan ended.
struct ScanOutcome {
    enum class Status : std::uint8_t {
        Completed,  // every item of the cut was seen exactly once
        Stopped,    // cancelled
        Failed,     // see `reason`
    };
    Status status = Status::Completed;
    std::string reason;
};

/// One line, fit for an operator.
using ScanResult = std::expected<void, std::string>;

/// The share of a scan that is worked on by one thread at a time (not always the same one).
class ScanLane {
 public:
    virtual ~ScanLane() = default;

    /// Reads a segment that is claimed and pinned for the duration of the call. `now`: of the cut.
    /// `stop` may become true meanwhile: what is returned then does not matter, as long as it is
    /// soon. An error fails the scan.
    virtual ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                           const std::atomic<bool>& stop) = 0;

    /// After `map`: it has not read the segment to its end, because what it made of it has nowhere
    /// to go at present. The lane leaves its worker and goes on with the same segment after the
    /// next ScanDriver::Remote::resume.
    virtual bool resting() const noexcept { return false; }

    /// After `map`: it has not read the segment to its end, so that others get their turn on the
    /// worker, and goes on as soon as they have had it.
    virtual bool unfinished() const noexcept { return false; }

    /// There are no more segments for this lane, and the scan has not failed so far.
    virtual ScanResult finish() = 0;
};

/// A user of the scan: what it wants done with the items. Kept alive by the driver until `done` has
/// returned.
class ScanConsumer {
 public:
    virtual ~ScanConsumer() = default;

    /// Worker thread; several lanes may be started at the same time.
    virtual std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() = 0;

    /// Worker thread, once, after all lanes have finished without an error and nothing is pinned by
    /// them any more: what is to be done with the whole, and may take its time.
    virtual ScanResult complete(const std::atomic<bool>& stop) = 0;

    /// Control thread, once, last. No worker uses the consumer or its lanes any more.
    virtual void done(const ScanOutcome& outcome) = 0;
};

}  // namespace shardmill::engine
