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

Acceptor::Acceptor(std::vector<Listener> listeners, const Parts& parts, HandOut hand_out)
    : parts_(parts), hand_out_(std::move(hand_out)) {
    SHARDMILL_ASSERT(listeners.size() <= parts.bound.size());
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        auto accepting = std::make_unique<Accepting>();
        accepting->handler = on_accept;
        accepting->acceptor = this;
        accepting->socket = std::move(listeners[i].socket);
        accepting->listener = &parts.bound[i];
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
    admit_all();
    if (stopping_ || paused_at_ns_ != 0) return;
    if (retry_at_ns_ != 0 && base::monotonic_ns() < retry_at_ns_) return;
    retry_at_ns_ = 0;
    for (auto& accepting : accepting_) {
        if (std::exchange(accepting->armed, true)) continue;
        // Accepting one by one, so that few are there who have to wait.
        const bool repeat = parts_.close_over_limit;
        ring_->accept(*accepting, accepting->socket.get(), repeat);
    }
}

/// False: there is no room, and it is to wait.
bool Acceptor::admit(Accepted& accepted) {
    const bool room = parts_.close_over_limit ? parts_.quota.take() : parts_.quota.take_or_wait();
    if (room) {
        hand_out_(AcceptedSocket(std::move(accepted.socket), parts_.quota, *accepted.listener));
        return true;
    }
    if (!parts_.close_over_limit) return false;
    parts_.counters.rejected.fetch_add(1, std::memory_order_relaxed);
    (void)::send(accepted.socket.get(), kTooMany.data(), kTooMany.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL);
    return true;
}

void Acceptor::admit_all() noexcept {
    std::size_t admitted = 0;
    while (!stopping_ && admitted < accepted_.size() && admit(accepted_[admitted])) ++admitted;
    if (stopping_) {
        accepted_.clear();
    } else {
        accepted_.erase(accepted_.begin(),
                        accepted_.begin() + static_cast<std::ptrdiff_t>(admitted));
        note_pause(!accepted_.empty());
    }
}

void Acceptor::note_pause(bool paused) noexcept {
    if (paused == (paused_at_ns_ != 0)) return;
    ListenCounters& counters = parts_.listen_counters;
    const std::uint64_t now = base::monotonic_ns();
    counters.accepting.store(!paused, std::memory_order_relaxed);
    if (paused) {
        counters.disabled.fetch_add(1, std::memory_order_relaxed);
    } else {
        counters.disabled_us.fetch_add((now - paused_at_ns_) / 1000, std::memory_order_relaxed);
    }
    paused_at_ns_ = paused ? now : 0;
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
