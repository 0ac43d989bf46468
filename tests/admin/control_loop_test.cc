#include "admin/control_loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace shardmill::admin {
namespace {

using std::chrono::milliseconds;

TEST(ControlLoopTest, RunsTasksInTheOrderOfPosting) {
    ControlLoop loop;
    std::string order;
    for (const char c : {'a', 'b', 'c'}) {
        loop.post([&order, c] { order += c; });
    }
    loop.post([&loop] { loop.stop(); });
    loop.run();
    EXPECT_EQ(order, "abc");
}

TEST(ControlLoopTest, TakesTasksFromManyThreads) {
    ControlLoop loop;
    constexpr int kThreads = 4;
    constexpr int kTasks = 1000;
    int done = 0;  // changed on the loop's thread alone
    std::vector<std::jthread> posters;
    for (int thread = 0; thread < kThreads; ++thread) {
        posters.emplace_back([&] {
            for (int n = 0; n < kTasks; ++n) {
                loop.post([&] {
                    if (++done == kThreads * kTasks) loop.stop();
                });
            }
        });
    }
    loop.run();
    EXPECT_EQ(done, kThreads * kTasks);
}

TEST(ControlLoopTest, TimersRunInTheOrderOfTheirTimes) {
    ControlLoop loop;
    std::string order;
    loop.post_after(milliseconds(30), [&] {
        order += 'b';
        loop.stop();
    });
    loop.post_after(milliseconds(1), [&] { order += 'a'; });
    loop.run();
    EXPECT_EQ(order, "ab");
}

TEST(ControlLoopTest, ACancelledTimerDoesNotRun) {
    ControlLoop loop;
    bool ran = false;
    const auto timer = loop.post_after(milliseconds(1), [&ran] { ran = true; });
    loop.cancel(timer);
    loop.cancel(timer);
    loop.cancel(0);
    loop.post_after(milliseconds(20), [&loop] { loop.stop(); });
    loop.run();
    EXPECT_FALSE(ran);
}

TEST(ControlLoopTest, ATimerCancelledByTheTaskBeforeItDoesNotRun) {
    ControlLoop loop;
    bool ran = false;
    engine::ControlQueue::TimerId second = 0;
    loop.post_after(milliseconds(1), [&] {
        std::this_thread::sleep_for(milliseconds(5));  // the other one is due by now
        loop.cancel(second);
        loop.post([&loop] { loop.post_after(milliseconds(5), [&loop] { loop.stop(); }); });
    });
    second = loop.post_after(milliseconds(2), [&ran] { ran = true; });
    loop.run();
    EXPECT_FALSE(ran);
}

TEST(ControlLoopTest, TasksThatAreLeftAreDestroyedWithoutBeingRun) {
    auto alive = std::make_shared<int>(1);
    {
        ControlLoop loop;
        loop.post([alive] { ++*alive; });
        loop.post_after(milliseconds(1), [alive] { ++*alive; });
        loop.stop();
        loop.run();
    }
    EXPECT_EQ(*alive, 1);
    EXPECT_EQ(alive.use_count(), 1);
}

TEST(ControlLoopTest, SignalsAskToStop) {
    const struct {
        int number;
        bool graceful;
    } cases[] = {{SIGTERM, false}, {SIGINT, false}, {SIGUSR1, true}};
    for (const auto& test : cases) {
        ControlLoop loop;
        std::vector<bool> asked;
        loop.handle_signals({.stop =
                                 [&](bool graceful) {
                                     asked.push_back(graceful);
                                     loop.stop();
                                 },
                             .reload = {}});
        loop.post([&test] { std::raise(test.number); });
        loop.run();
        EXPECT_EQ(asked, std::vector<bool>{test.graceful}) << test.number;
    }
}

TEST(ControlLoopTest, AskingTwiceForAGracefulStopDoesNotHurryIt) {
    ControlLoop loop;
    int asked = 0;
    loop.handle_signals({.stop =
                             [&](bool) {
                                 ++asked;
                                 std::raise(SIGUSR1);
                                 loop.post_after(milliseconds(5), [&loop] { loop.stop(); });
                             },
                         .reload = {}});
    loop.post([] { std::raise(SIGUSR1); });
    loop.run();
    EXPECT_EQ(asked, 1);
}

TEST(ControlLoopTest, HupAsksToReloadAndPipeForNothing) {
    ControlLoop loop;
    int reloaded = 0;
    loop.handle_signals({.stop = [&](bool) { FAIL(); },
                         .reload =
                             [&] {
                                 if (++reloaded == 2) return loop.stop();
                                 std::raise(SIGHUP);
                             }});
    loop.post([] {
        std::raise(SIGPIPE);
        std::raise(SIGHUP);
    });
    loop.run();
    EXPECT_EQ(reloaded, 2);
}

TEST(ControlLoopTest, HupWithNothingToReloadIsNoStop) {
    ControlLoop loop;
    bool stopped = false;
    loop.handle_signals({.stop =
                             [&](bool) {
                                 stopped = true;
                                 loop.stop();
                             },
                         .reload = {}});
    loop.post([] { std::raise(SIGHUP); });
    loop.post([&] {
        EXPECT_FALSE(stopped);
        std::raise(SIGTERM);
    });
    loop.run();
    EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace shardmill::admin
