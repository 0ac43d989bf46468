#include "runtime/reactor.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <new>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "runtime/signals.h"

namespace shardmill::runtime {

Reactor::Reactor(ReactorConfig config, TurnWork& work) : config_(std::move(config)), work_(work) {
    config_.name.resize(std::min<std::size_t>(config_.name.size(), 15));
    wake_up_.reactor = this;
    wake_up_.handler = [](uring::Completion& completion, std::int32_t, std::uint32_t) noexcept {
        static_cast<WakeUp&>(completion).reactor->wake_up_armed_ = false;
    };
}

Reactor::~Reactor() {
    stop();
    join();
    if (event_fd_ >= 0) ::close(event_fd_);
}

std::expected<void, std::string> Reactor::start(const uring::RingConfig& ring_config) {
    SHARDMILL_ASSERT(!thread_.joinable());
    event_fd_ = ::eventfd(0, EFD_CLOEXEC);
    if (event_fd_ < 0) {
        return std::unexpected(std::string("cannot create an event descriptor: ") +
                               std::strerror(errno) +
                               "; raise the limit on open files (ulimit -n)");
    }
    std::promise<std::expected<void, std::string>> begun;
    auto outcome = begun.get_future();
    auto body = [this, begun = std::move(begun), ring_config]() mutable {
        ::pthread_setname_np(::pthread_self(), config_.name.c_str());
        leave_signals_to_main();
        WaitPolicy wait_policy(config_.batch_wait_us);
        std::unique_ptr<uring::Ring> ring;
        try {
            auto opened = begin_work(ring_config, wait_policy);
            if (!opened) return begun.set_value(std::unexpected(std::move(opened.error())));
            ring = std::move(*opened);
        } catch (const std::bad_alloc&) {
            // This thread may have no memory at all, not even for a text.
            return begun.set_exception(std::current_exception());
        }
        begun.set_value({});
        run(*ring, wait_policy);
    };
    try {
        thread_ = std::thread(std::move(body));
    } catch (const std::system_error& error) {
        return std::unexpected(
            std::string("cannot start a thread: ") + error.what() +
            "; use fewer reactors (-t) or raise the limit on processes (ulimit -u)");
    }
    std::expected<void, std::string> result;
    try {
        result = outcome.get();
    } catch (const std::bad_alloc&) {
        result = std::unexpected("no memory for a reactor; use fewer reactors (-t)");
    }
    if (!result) thread_.join();
    return result;
}

std::expected<std::unique_ptr<uring::Ring>, std::string> Reactor::begin_work(
    const uring::RingConfig& ring_config, WaitPolicy& wait_policy) {
    auto ring = uring::Ring::open(ring_config);
    if (!ring) return ring;
    if (auto begun = work_.begin(**ring, wait_policy); !begun) {
        return std::unexpected(std::move(begun.error()));
    }
    return ring;
}

void Reactor::stop() noexcept {
    stop_requested_.store(true, std::memory_order_seq_cst);
    wake();
}

void Reactor::join() noexcept {
    if (thread_.joinable()) thread_.join();
    inbox_.close();
}

void Reactor::post(Task task) {
    if (inbox_.post(std::move(task))) wake();
}

void Reactor::wake() noexcept {
    // Whoever finds the reactor asleep wakes it; the others know that this has been done.
    if (!asleep_.load(std::memory_order_seq_cst)) return;
    if (!asleep_.exchange(false, std::memory_order_seq_cst)) return;
    const std::uint64_t one = 1;
    while (::write(event_fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void Reactor::arm_wake_up(uring::Ring& ring) noexcept {
    if (std::exchange(wake_up_armed_, true)) return;
    ring.read(wake_up_, event_fd_, &wake_up_.count, sizeof(wake_up_.count));
}

void Reactor::wait(uring::Ring& ring, WaitPlan plan) noexcept {
    if (plan.events == 0) return ring.submit();
    asleep_.store(true, std::memory_order_seq_cst);
    // Whoever posted before the store above saw the reactor awake and left it to this look.
    if (!inbox_.empty() || stop_requested_.load(std::memory_order_seq_cst)) {
        asleep_.store(false, std::memory_order_relaxed);
        return ring.submit();
    }
    ring.wait(plan.events, plan.timeout_ns);
    asleep_.store(false, std::memory_order_relaxed);
}

void Reactor::run(uring::Ring& ring, WaitPolicy& wait_policy) noexcept {
    constexpr std::uint64_t kWindDownPollNs = 2'000'000;
    std::uint64_t began = base::monotonic_ns();
    for (;;) {
        ring.reap();
        work_.turn();
        inbox_.run_all();
        const bool stopping = stop_requested_.load(std::memory_order_relaxed);
        if (stopping && work_.wind_down()) break;
        const TurnReport report = work_.finish_turn();
        arm_wake_up(ring);
        const std::uint64_t ended = base::monotonic_ns();
        turn_lengths_.add(ended - std::exchange(began, ended));
        if (report.again) {
            ring.submit();
            continue;
        }
        if (stopping) {
            ring.wait(1, kWindDownPollNs);
        } else {
            wait(ring, wait_policy.plan(ended, report.idle_ns));
        }
        began = base::monotonic_ns();
    }
    work_.end();
    inbox_.close();
}

}  // namespace shardmill::runtime
