#include "admin/control_loop.h"

#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/log.h"

namespace shardmill::admin {

namespace asio = boost::asio;

struct ControlLoop::Impl {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    asio::signal_set signals{context};
    std::unordered_map<TimerId, std::unique_ptr<asio::steady_timer>> timers;
    TimerId last_timer = 0;
    SignalActions actions;
    bool stopping = false;

    void wait_for_signal();
    void handle_signal(int number);
};

ControlLoop::ControlLoop() : impl_(std::make_unique<Impl>()) {}
ControlLoop::~ControlLoop() = default;

void ControlLoop::post(runtime::Task task) { asio::post(impl_->context, std::move(task)); }

ControlLoop::TimerId ControlLoop::post_after(std::chrono::milliseconds delay, runtime::Task task) {
    const TimerId id = ++impl_->last_timer;
    auto& timer =
        *impl_->timers.emplace(id, std::make_unique<asio::steady_timer>(impl_->context, delay))
             .first->second;
    timer.async_wait([impl = impl_.get(), id,
                      task = std::move(task)](const boost::system::error_code& error) mutable {
        // A timer that was cancelled when its task was already on its way counts as cancelled.
        if (error || impl->timers.erase(id) == 0) return;
        task();
    });
    return id;
}

void ControlLoop::cancel(TimerId timer) noexcept { impl_->timers.erase(timer); }

void ControlLoop::handle_signals(SignalActions actions) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a write beyond a file size limit fails, and says so
    impl_->actions = std::move(actions);
    for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) impl_->signals.add(number);
    impl_->wait_for_signal();
}

void ControlLoop::Impl::wait_for_signal() {
    signals.async_wait([this](const boost::system::error_code& error, int number) {
        if (error) return;
        handle_signal(number);
        wait_for_signal();
    });
}

void ControlLoop::Impl::handle_signal(int number) {
    if (number == SIGHUP) {
        if (actions.reload) return actions.reload();
        base::log_verbose(1, "SIGHUP: there is nothing to reload");
        return;
    }
    const bool graceful = number == SIGUSR1;
    if (stopping && graceful) return;
    if (stopping) {
        base::log_error("stopped at once by a second signal; what was under way is lost");
        ::_exit(1);
    }
    stopping = true;
    // The words that scripts wait for.
    if (graceful) base::log_error("Gracefully stopping");
    base::log_verbose(1, "stopping on SIG{}", ::sigabbrev_np(number));
    actions.stop(graceful);
}

void ControlLoop::run() { impl_->context.run(); }
void ControlLoop::stop() { impl_->context.stop(); }

}  // namespace shardmill::admin
