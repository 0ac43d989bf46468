#include "net/acceptor.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"

namespace shardmill::net {
namespace {

constexpr std::string_view kTooMany = "ERROR Too many open connections\r\n";
constexpr std::uint64_t kRetryNs = 10'000'000;

/// Errors that concern one connection, not the listener: accepting goes on at once.
bool is_passing(std::int32_t result) noexcept {
    switch (result) {
        case -ECONNABORTED:
        case -EINTR:
        case -EAGAIN:
        case -EPROTO:
        case -ECANCELED:
            return true;
        default:
            return false;
    }
}

}  // namespace

Acceptor::Acceptor(std::vector<Listener> listeners, const std::vector<BoundAddress>& bound,
                   ConnectionQuota& quota, ConnectionCounters& counters, HandOut hand_out)
    : quota_(quota), counters_(counters), hand_out_(std::move(hand_out)) {
    SHARDMILL_ASSERT(listeners.size() == bound.size());
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        auto accepting = std::make_unique<Accepting>();
        accepting->handler = on_accept;
        accepting->acceptor = this;
        accepting->socket = std::move(listeners[i].socket);
        accepting->listener = &bound[i];
        accepting_.push_back(std::move(accepting));
    }
}

void Acceptor::begin(uring::Ring& ring) noexcept {
    ring_ = &ring;
    turn();
}

void Acceptor::on_accept(uring::Completion& completion, std::int32_t result,
                         std::uint32_t flags) noexcept {
    auto& accepting = static_cast<Accepting&>(completion);
    Acceptor& acceptor = *accepting.acceptor;
    if (!uring::more(flags)) accepting.armed = false;
    if (result >= 0) {
        acceptor.accepted_.push_back({FileDescriptor(result), accepting.listener});
    } else if (!is_passing(result)) {
        // Out of descriptors or memory, most likely: asking again at once would only spin.
        acceptor.retry_at_ns_ = base::monotonic_ns() + kRetryNs;
    }
}

void Acceptor::turn() noexcept {
    for (Accepted& accepted : accepted_) {
        if (!stopping_) admit(std::move(accepted));
    }
    accepted_.clear();
    if (stopping_) return;
    if (retry_at_ns_ != 0 && base::monotonic_ns() < retry_at_ns_) return;
    retry_at_ns_ = 0;
    for (auto& accepting : accepting_) {
        if (std::exchange(accepting->armed, true)) continue;
        ring_->accept(*accepting, accepting->socket.get());
    }
}

void Acceptor::admit(Accepted accepted) {
    if (quota_.take()) {
        return hand_out_(AcceptedSocket(std::move(accepted.socket), quota_, *accepted.listener));
    }
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    (void)::send(accepted.socket.get(), kTooMany.data(), kTooMany.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL);
}

std::uint64_t Acceptor::idle_ns() const noexcept {
    return retry_at_ns_ == 0 ? std::numeric_limits<std::uint64_t>::max() : kRetryNs;
}

void Acceptor::stop() noexcept {
    stopping_ = true;
    for (auto& accepting : accepting_) {
        if (accepting->armed) ring_->cancel(*accepting);
    }
}

bool Acceptor::stopped() noexcept {
    const bool idle =
        std::ranges::none_of(accepting_, [](const auto& accepting) { return accepting->armed; });
    if (idle) {
        accepted_.clear();
        accepting_.clear();
    }
    return idle;
}

}  // namespace shardmill::net
