#pragma once

#include <algorithm>
#include <cstdint>

#include "net/executor.h"

namespace shardmill::net {

/// Tells an executor what one reactor's connections hold in buffers, seldom: of more when it is
/// notably more, of less once it has not been needed for a second. One thread.
class BufferAccount {
 public:
    explicit BufferAccount(Executor& executor) noexcept : executor_(executor) {}

    /// `held`: bytes, at the end of a turn; `now`: seconds. True once a second.
    bool note(std::uint64_t held, std::uint32_t now) noexcept {
        most_ = std::max(most_, held);
        if (held > told_ + kNotable) tell(held);
        if (now == since_) return false;
        if (most_ < told_) tell(most_);
        since_ = now;
        most_ = held;
        return true;
    }
    /// Nothing is held any more.
    void close() noexcept { tell(0); }

 private:
    static constexpr std::uint64_t kNotable = 256u << 10;

    void tell(std::uint64_t held) noexcept {
        if (held != told_) executor_.buffers_changed(told_, held);
        told_ = held;
    }

    Executor& executor_;
    std::uint64_t told_ = 0;
    std::uint64_t most_ = 0;  // since `since_`
    std::uint32_t since_ = 0;
};

}  // namespace shardmill::net
