#pragma once

#include <bitset>
#include <cstdint>
#include <string>

#include "compute/block.h"

namespace shardmill::compute {

/// The items a kernel could not work on, as one partial counts them. Used by one thread at a time.
class ItemFailures {
 public:
    /// Failures from here on are of a block of that many items.
    void begin_block(const Block& block) noexcept {
        block_ = &block;
        failed_.reset();
    }
    /// No block any more. How many of its items have failed.
    std::uint32_t end_block() noexcept {
        block_ = nullptr;
        return static_cast<std::uint32_t>(failed_.count());
    }

    /// Item `index` of the block has failed; `text` may be a kernel's nonsense.
    void add(std::uint32_t index, const char* text);

    /// "<key>: <text>" of the first one; empty: none.
    const std::string& first() const noexcept { return first_; }

 private:
    const Block* block_ = nullptr;
    std::bitset<kBlockItems> failed_;
    std::string first_;
};

}  // namespace shardmill::compute
