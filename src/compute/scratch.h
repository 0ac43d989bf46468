#pragma once

#include "compute/arena.h"

namespace shardmill::compute {

/// Strings that expressions make, for as long as a block is looked at. One thread at a time.
class Scratch {
 public:
    explicit Scratch(kernel::Host host) noexcept : arena_(host) {}

    /// nullptr, and `exhausted` from then on: a bound of the job is reached.
    char* take(std::size_t bytes) noexcept {
        char* const room = arena_.allocate(bytes);
        exhausted_ = exhausted_ || room == nullptr;
        return room;
    }
    bool exhausted() const noexcept { return exhausted_; }
    void clear() noexcept { arena_.clear(); }

 private:
    Arena arena_;
    bool exhausted_ = false;
};

}  // namespace shardmill::compute
