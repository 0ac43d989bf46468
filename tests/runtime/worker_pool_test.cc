#include "runtime/worker_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <csignal>
#include <future>
#include <latch>
#include <memory>
#include <string>

namespace shardmill::runtime {
namespace {

TEST(WorkerPoolTest, RunsEverythingBeforeAPlainJoin) {
    std::atomic<int> ran{0};
    WorkerPool pool({.threads = 3});
    for (int i = 0; i < 1000; ++i) pool.post([&] { ++ran; });
    pool.join();
    EXPECT_EQ(ran, 1000);
    EXPECT_EQ(pool.threads(), 3u);
}

TEST(WorkerPoolTest, RunsAsManyTasksAtOnceAsItHasThreads) {
    WorkerPool pool({.threads = 4});
    std::latch all_here(4);
    for (int i = 0; i < 4; ++i) pool.post([&] { all_here.arrive_and_wait(); });
    pool.join();
}

TEST(WorkerPoolTest, RunsAtIdlePriorityUnderItsName) {
    WorkerPool pool({.threads = 1, .name = "scan"});
    std::promise<std::pair<int, std::string>> seen;
    pool.post([&] {
        char name[16] = {};
        ::pthread_getname_np(::pthread_self(), name, sizeof(name));
        seen.set_value({::sched_getscheduler(0), name});
    });
    const auto [policy, name] = seen.get_future().get();
    EXPECT_EQ(policy, SCHED_IDLE);
    EXPECT_EQ(name, "scan-0");
}

TEST(WorkerPoolTest, LeavesSignalsToTheMainThread) {
    WorkerPool pool({.threads = 1});
    std::promise<bool> blocked;
    pool.post([&] {
        sigset_t now;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
        blocked.set_value(::sigismember(&now, SIGTERM) == 1 && ::sigismember(&now, SIGHUP) == 1);
    });
    EXPECT_TRUE(blocked.get_future().get());
}

TEST(WorkerPoolTest, DestroysTasksThatHaveNotBegunWhenStopped) {
    const auto watched = std::make_shared<int>(0);
    std::promise<void> running;
    std::promise<void> go_on;
    std::atomic<int> ran{0};
    {
        WorkerPool pool({.threads = 1});
        pool.post([&] {
            running.set_value();
            go_on.get_future().get();
            ++ran;
        });
        for (int i = 0; i < 10; ++i) pool.post([&ran, watched] { ++ran; });
        running.get_future().get();
        pool.stop();
        go_on.set_value();
        pool.join();
        pool.join();
    }
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(WorkerPoolTest, LetsTasksPostTasks) {
    std::promise<void> done;
    WorkerPool pool({.threads = 1});
    pool.post([&] { pool.post([&] { done.set_value(); }); });
    done.get_future().get();
}

}  // namespace
}  // namespace shardmill::runtime
