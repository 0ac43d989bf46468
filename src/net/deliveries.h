#pragma once

#include <cstdint>
#include <deque>

#include "net/executor.h"

namespace shardmill::net {

/// Which bytes of a connection's output somebody wants to know about. They leave in order, with
/// all else that the connection sends. One thread.
class Deliveries {
 public:
    /// The bytes that have just been put at the end of the output, which is `unsent` bytes long
    /// with them.
    void add(std::uint64_t unsent, Delivered delivered);

    /// `bytes` more of the output have left.
    void sent(std::uint64_t bytes) noexcept;

    /// The rest never will.
    void give_up() noexcept;

 private:
    struct Delivery {
        std::uint64_t bytes;  // until its end, from the end of the one before
        Delivered delivered;
    };

    std::deque<Delivery> deliveries_;
    std::uint64_t bytes_ = 0;  // of all of them
};

}  // namespace shardmill::net
