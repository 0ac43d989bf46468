#include "runtime/worker_pool.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "runtime/signals.h"

namespace shardmill::runtime {
namespace {

constexpr std::size_t kThreadNameMax = 15;
constexpr std::uint64_t kGiveWayNs = 100'000;

// Of this thread.
thread_local bool gives_way = false;
thread_local std::uint64_t gave_way_ns = 0;

void become_worker(const WorkerPoolConfig& config, std::uint32_t number) noexcept {
    std::string name = fmt::format("{}-{}", config.name, number);
    name.resize(std::min(name.size(), kThreadNameMax));
    ::pthread_setname_np(::pthread_self(), name.c_str());
    leave_signals_to_main();
    // Lowering one's own priority needs no privilege. Where it is refused all the same (a strict
    // container), work is merely less polite.
    const sched_param parameters{};
    if (config.idle_priority) {
        gives_way = true;
        ::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &parameters);
    } else if (config.nice > 0) {
        ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &parameters);
        // On Linux that of the calling thread alone.
        ::setpriority(PRIO_PROCESS, 0, config.nice);
    }
}

}  // namespace

void give_way() noexcept {
    if (!gives_way) return;
    const std::uint64_t now = base::monotonic_ns();
    if (now - gave_way_ns < kGiveWayNs) return;
    ::sched_yield();
    gave_way_ns = base::monotonic_ns();
}

struct WorkerPool::Impl {
    explicit Impl(const WorkerPoolConfig& configuration) : config(configuration), pool(0) {
        config.threads = std::max(config.threads, 1u);
    }

    void start(std::uint32_t more) try {
        for (; more > 0; --more) {
            threads.emplace_back([this, number = static_cast<std::uint32_t>(threads.size())] {
                become_worker(config, number);
                pool.attach();
            });
        }
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(),
                                "cannot start a thread for jobs and snapshots (use fewer, -o "
                                "workers=<n>, or raise `ulimit -u` or `ulimit -v`)");
    }

    WorkerPoolConfig config;
    boost::asio::thread_pool pool;  // its threads are ours, attached: they set themselves up first
    std::vector<std::thread> threads;
    std::mutex joining;
};

WorkerPool::WorkerPool(const WorkerPoolConfig& config) : impl_(std::make_unique<Impl>(config)) {
    try {
        impl_->start(impl_->config.threads);
    } catch (...) {
        stop();
        join();
        throw;
    }
}

WorkerPool::~WorkerPool() {
    stop();
    join();
}

void WorkerPool::post(Task task) { boost::asio::post(impl_->pool, std::move(task)); }

void WorkerPool::stop() noexcept { impl_->pool.stop(); }

void WorkerPool::join() noexcept {
    const std::lock_guard lock(impl_->joining);
    if (impl_->threads.empty()) return;
    impl_->pool.wait();  // lets the attached threads return once nothing is left
    for (std::thread& thread : impl_->threads) thread.join();
    impl_->threads.clear();
}

std::uint32_t WorkerPool::threads() const noexcept { return impl_->config.threads; }

void WorkerPool::add_threads(std::uint32_t more) {
    const std::lock_guard lock(impl_->joining);
    impl_->start(more);
}

}  // namespace shardmill::runtime
