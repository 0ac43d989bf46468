#pragma once

#include <pthread.h>

#include <csignal>
#include <initializer_list>

namespace shardmill::runtime {

/// For a thread's beginning: the signals that operators send are for the main thread, and interrupt
/// nobody else's system calls.
inline void leave_signals_to_main() noexcept {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) ::sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace shardmill::runtime
