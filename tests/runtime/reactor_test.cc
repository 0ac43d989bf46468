#include "runtime/reactor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "uring/probe.h"

namespace shardmill::runtime {
namespace {

/// Does nothing, but writes down what it was asked to do.
class Recorder : public TurnWork {
 public:
    std::expected<void, std::string> begin(uring::Ring&, WaitPolicy&) override {
        begun = true;
        if (out_of_memory) throw std::bad_alloc();
        if (!refusal.empty()) return std::unexpected(refusal);
        return {};
    }
    void turn() noexcept override { ++turns; }
    TurnReport finish_turn() noexcept override { return {.again = false, .idle_ns = idle_ns}; }
    bool wind_down() noexcept override { return ++wind_downs >= wind_downs_needed; }
    void end() noexcept override { ended = true; }

    std::string refusal;
    bool out_of_memory = false;
    std::uint64_t idle_ns = uring::Ring::kForever;
    int wind_downs_needed = 1;
    std::atomic<bool> begun{false};
    std::atomic<int> turns{0};
    std::atomic<int> wind_downs{0};
    std::atomic<bool> ended{false};
};

uring::RingConfig ring_config() { return {.features = uring::probe().value()}; }

TEST(ReactorTest, RunsPostedTasksInOrderOnItsOwnThread) {
    Recorder work;
    Reactor reactor({.name = "reactor-test"}, work);
    std::vector<int> order;
    std::promise<std::string> name;
    for (int i = 0; i < 100; ++i) reactor.post([&order, i] { order.push_back(i); });
    ASSERT_TRUE(reactor.start(ring_config()));
    reactor.post([&] {
        char text[16] = {};
        ::pthread_getname_np(::pthread_self(), text, sizeof(text));
        name.set_value(text);
    });
    EXPECT_EQ(name.get_future().get(), "reactor-test");
    EXPECT_EQ(order.size(), 100u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ReactorTest, LeavesSignalsToTheMainThread) {
    Recorder work;
    Reactor reactor({}, work);
    ASSERT_TRUE(reactor.start(ring_config()));
    std::promise<bool> blocked;
    reactor.post([&] {
        sigset_t now;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
        blocked.set_value(::sigismember(&now, SIGTERM) == 1 && ::sigismember(&now, SIGHUP) == 1);
    });
    EXPECT_TRUE(blocked.get_future().get());
}

TEST(ReactorTest, WakesUpForEveryTaskThoughItWouldSleepForever) {
    Recorder work;
    Reactor reactor({}, work);
    ASSERT_TRUE(reactor.start(ring_config()));
    for (int i = 0; i < 2000; ++i) {
        std::promise<void> ran;
        reactor.post([&] { ran.set_value(); });
        ran.get_future().get();
    }
}

TEST(ReactorTest, LosesNoTaskOfManyPosters) {
    Recorder work;
    Reactor reactor({}, work);
    ASSERT_TRUE(reactor.start(ring_config()));
    constexpr int kPosters = 4;
    constexpr int kTasks = 3000;
    int ran = 0;  // on the reactor's thread only
    std::promise<void> all;
    std::vector<std::thread> posters;
    for (int poster = 0; poster < kPosters; ++poster) {
        posters.emplace_back([&] {
            for (int i = 0; i < kTasks; ++i) {
                reactor.post([&] {
                    if (++ran == kPosters * kTasks) all.set_value();
                });
            }
        });
    }
    all.get_future().get();
    for (std::thread& poster : posters) poster.join();
}

TEST(ReactorTest, RunsTurnsWithoutEventsWhenItsWorkAsksForThem) {
    Recorder work;
    work.idle_ns = 100'000;
    Reactor reactor({}, work);
    ASSERT_TRUE(reactor.start(ring_config()));
    while (work.turns < 5) std::this_thread::yield();
}

TEST(ReactorTest, WindsDownStepByStepAndDestroysWhatIsPostedLater) {
    Recorder work;
    work.wind_downs_needed = 3;
    Reactor reactor({}, work);
    ASSERT_TRUE(reactor.start(ring_config()));
    reactor.stop();
    reactor.join();
    EXPECT_EQ(work.wind_downs, 3);
    EXPECT_TRUE(work.ended);
    const auto watched = std::make_shared<int>(0);
    reactor.post([watched] { FAIL(); });
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(ReactorTest, ReportsWhyItsWorkCouldNotBegin) {
    Recorder work;
    work.refusal = "no such thing";
    Reactor reactor({}, work);
    const auto started = reactor.start(ring_config());
    ASSERT_FALSE(started.has_value());
    EXPECT_EQ(started.error(), "no such thing");
    EXPECT_FALSE(work.ended);
}

TEST(ReactorTest, ReportsThatThereWasNoMemoryToBegin) {
    Recorder work;
    work.out_of_memory = true;
    Reactor reactor({}, work);
    const auto started = reactor.start(ring_config());
    ASSERT_FALSE(started.has_value());
    EXPECT_NE(started.error().find("no memory"), std::string::npos) << started.error();
    EXPECT_FALSE(work.ended);
}

}  // namespace
}  // namespace shardmill::runtime
