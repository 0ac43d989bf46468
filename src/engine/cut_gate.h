#pragma once

#include <atomic>
#include <cstdint>

namespace shardmill::engine {

/// Keeps items that are there for a moment only (CommandReplay) apart from cuts, so that no scan
/// sees them, and from each other, so that nobody's are taken away by another. Nobody waits inside:
/// whoever may not go on comes again in a later turn. A cut that is wanted lets nobody in, so that
/// it gets its turn. Any thread.
class CutGate {
 public:
    /// Whether momentary items may come; `leave` when they have gone.
    [[nodiscard]] bool enter() noexcept {
        std::uint64_t nobody = 0;
        return state_.compare_exchange_strong(nobody, kInside, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }
    void leave() noexcept { state_.fetch_sub(kInside, std::memory_order_release); }

    /// A cut is to be taken as soon as `clear`; `cut_taken` when it has been.
    void want_cut() noexcept { state_.fetch_add(kCut, std::memory_order_relaxed); }
    [[nodiscard]] bool clear() const noexcept {
        return (state_.load(std::memory_order_acquire) & kInside) == 0;
    }
    void cut_taken() noexcept { state_.fetch_sub(kCut, std::memory_order_release); }

 private:
    static constexpr std::uint64_t kInside = 1;
    static constexpr std::uint64_t kCut = 2;  // for each cut that is wanted
    std::atomic<std::uint64_t> state_{0};
};

}  // namespace shardmill::engine
