#include "bench/worker.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bench/cpu_time.h"
#include "bench/socket.h"

namespace shardmill::bench {

namespace {

constexpr std::size_t kScratchBytes = 256 * 1024;
constexpr int kMaxEvents = 256;
constexpr std::uint64_t kSecond = 1'000'000'000;

void watch(int epoll, int operation, int fd, std::size_t lane, bool writable) {
    epoll_event event{};
    event.events = EPOLLIN | (writable ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
    event.data.u64 = lane;
    ::epoll_ctl(epoll, operation, fd, &event);
}

}  // namespace

Worker::Worker(const Options& options, const Workload& workload, unsigned first_lane,
               unsigned connections)
    : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)), scratch_(kScratchBytes) {
    lanes_.reserve(connections);
    for (unsigned i = 0; i < connections; ++i) {
        const int fd = connect_socket(options.server);
        lanes_.push_back({Connection(fd, workload, options, first_lane + i)});
        watch(epoll_, EPOLL_CTL_ADD, fd, i, false);
    }
    open_ = connections;
}

Worker::~Worker() {
    if (epoll_ >= 0) ::close(epoll_);
}

unsigned Worker::in_flight() const noexcept {
    unsigned sum = 0;
    for (const auto& lane : lanes_) {
        if (lane.connection.open()) sum += lane.connection.in_flight();
    }
    return sum;
}

bool Worker::may_send(const Phase& phase, std::uint64_t now) const noexcept {
    if (phase.stop_ns != 0 && now >= phase.stop_ns) return false;
    return phase.requests == 0 || issued_ < phase.requests;
}

std::uint64_t Worker::due_ns(const Lane& lane, const Phase& phase) const noexcept {
    const auto index = static_cast<std::uint64_t>(&lane - lanes_.data());
    const std::uint64_t request = lane.turn * lanes_.size() + index;
    return phase.start_ns +
           static_cast<std::uint64_t>(static_cast<double>(request) * phase.interval_ns);
}

void Worker::add_one(Lane& lane, const Phase& phase, std::uint64_t intended) {
    if (phase.kind == Phase::Kind::Prefill) {
        lane.connection.add_set(phase.first_key + issued_, intended);
    } else {
        lane.connection.add_next(intended);
    }
    ++issued_;
    ++lane.turn;
}

void Worker::fill(Lane& lane, const Phase& phase, std::uint64_t now) {
    while (lane.connection.has_room() && may_send(phase, now)) {
        std::uint64_t intended = now;
        if (phase.interval_ns > 0) {
            intended = due_ns(lane, phase);
            if (intended > now) break;
        }
        add_one(lane, phase, intended);
    }
    flush(lane);
}

void Worker::flush(Lane& lane) {
    if (!lane.connection.flush(counters_)) {
        --open_;
        return;
    }
    if (lane.connection.has_output() == lane.wants_write) return;
    lane.wants_write = !lane.wants_write;
    watch(epoll_, EPOLL_CTL_MOD, lane.connection.fd(),
          static_cast<std::size_t>(&lane - lanes_.data()), lane.wants_write);
}

void Worker::send_due(const Phase& phase, std::uint64_t now) {
    if (phase.interval_ns <= 0) return;
    const auto due =
        static_cast<std::uint64_t>(static_cast<double>(now - std::min(now, phase.start_ns)) /
                                   phase.interval_ns) +
        1;
    if (now < phase.start_ns) return;
    // More than one round behind: every connection is looked at once, `fill` sends all that is due
    // on it.
    scheduled_ = std::max(scheduled_, due > lanes_.size() ? due - lanes_.size() : 0);
    for (; scheduled_ < due; ++scheduled_) {
        Lane& lane = lanes_[scheduled_ % lanes_.size()];
        if (lane.connection.open()) fill(lane, phase, now);
    }
}

void Worker::serve(std::uint32_t events, Lane& lane, const Phase& phase) {
    if (!lane.connection.open()) return;
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 &&
        !lane.connection.read(scratch_, counters_)) {
        --open_;
        return;
    }
    fill(lane, phase, now_ns());
}

int Worker::wait(const Phase& phase, std::uint64_t now) {
    std::uint64_t until = now + kSecond / 10;
    if (phase.stop_ns > now) until = std::min(until, phase.stop_ns);
    if (phase.interval_ns > 0 && may_send(phase, now)) {
        const auto next = phase.start_ns + static_cast<std::uint64_t>(
                                               static_cast<double>(scheduled_) * phase.interval_ns);
        until = std::min(until, std::max(next, now));
    }
    timespec limit{};
    limit.tv_sec = static_cast<time_t>((until - now) / kSecond);
    limit.tv_nsec = static_cast<long>((until - now) % kSecond);
    std::array<epoll_event, kMaxEvents> events;
    const int n = ::epoll_pwait2(epoll_, events.data(), kMaxEvents, &limit, nullptr);
    for (int i = 0; i < n; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        serve(event.events, lanes_[event.data.u64], phase);
    }
    return n;
}

PhaseResult Worker::run(const Phase& phase) {
    counters_ = {};
    issued_ = 0;
    scheduled_ = 0;
    for (auto& lane : lanes_) {
        lane.turn = 0;
        lane.connection.set_depth(phase.depth);
    }
    PhaseResult result;
    const std::uint64_t cpu_before = thread_cpu_ns();
    result.first_ns = now_ns();
    std::uint64_t now = result.first_ns;
    std::uint64_t progress = now;
    if (phase.interval_ns <= 0) {
        for (auto& lane : lanes_) {
            if (lane.connection.open()) fill(lane, phase, now);
        }
    }
    const auto patience = static_cast<std::uint64_t>(options_.timeout_s * 1e9);
    while (open_ > 0) {
        now = now_ns();
        if (may_send(phase, now)) {
            send_due(phase, now);
        } else if (in_flight() == 0) {
            break;
        }
        if (wait(phase, now) > 0 || in_flight() == 0) progress = now;
        if (now - progress > patience) {
            result.failure = fmt::format("no reply for {} s", options_.timeout_s);
            break;
        }
    }
    if (open_ < lanes_.size()) {
        result.failure = fmt::format("{} of {} connections were lost: {}", lanes_.size() - open_,
                                     lanes_.size(), counters_.first_error);
    }
    result.last_ns = now_ns();
    result.cpu_ns = thread_cpu_ns() - cpu_before;
    result.counters = std::move(counters_);
    counters_ = {};
    return result;
}

}  // namespace shardmill::bench
