#include "net/deliveries.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace shardmill::net {

void Deliveries::add(std::uint64_t unsent, Delivered delivered) {
    SHARDMILL_DASSERT(unsent >= bytes_);
    deliveries_.push_back({unsent - bytes_, std::move(delivered)});
    bytes_ = unsent;
}

void Deliveries::sent(std::uint64_t bytes) noexcept {
    bytes = std::min(bytes, bytes_);
    bytes_ -= bytes;
    while (!deliveries_.empty()) {
        Delivery& next = deliveries_.front();
        if (bytes < next.bytes) {
            next.bytes -= bytes;
            return;
        }
        bytes -= next.bytes;
        Delivered delivered = std::move(next.delivered);
        deliveries_.pop_front();
        delivered(true);
    }
}

void Deliveries::give_up() noexcept {
    std::deque<Delivery> given_up = std::exchange(deliveries_, {});
    bytes_ = 0;
    for (Delivery& delivery : given_up) delivery.delivered(false);
}

}  // namespace shardmill::net
