#pragma once

#include <atomic>
#include <cstdint>

#include "engine/scan_driver.h"

namespace shardmill::engine {

/// What a scan has handed to others and they have not dealt with yet, in units of its own (bytes,
/// keys). At the limit its lanes rest, and go on when half of it is through. Any thread.
class ScanFlow {
 public:
    explicit ScanFlow(std::uint64_t limit) noexcept : limit_(limit) {}

    /// Whose lanes are resumed. Before they start.
    void regulate(ScanDriver::Remote remote) { remote_ = std::move(remote); }
    const ScanDriver::Remote& remote() const noexcept { return remote_; }

    bool full() const noexcept { return outside_.load(std::memory_order_acquire) >= limit_; }
    void hand_out(std::uint64_t units) noexcept {
        outside_.fetch_add(units, std::memory_order_relaxed);
    }
    void dealt_with(std::uint64_t units) {
        dealt_with_.fetch_add(units, std::memory_order_relaxed);
        const std::uint64_t before = outside_.fetch_sub(units, std::memory_order_acq_rel);
        if (before > limit_ / 2 && before - units <= limit_ / 2) remote_.resume();
    }

    std::uint64_t outside() const noexcept { return outside_.load(std::memory_order_relaxed); }
    /// Ever: tells whether anything moves.
    std::uint64_t total_dealt_with() const noexcept {
        return dealt_with_.load(std::memory_order_relaxed);
    }

 private:
    const std::uint64_t limit_;
    ScanDriver::Remote remote_;
    std::atomic<std::uint64_t> outside_{0};
    std::atomic<std::uint64_t> dealt_with_{0};
};

}  // namespace shardmill::engine
