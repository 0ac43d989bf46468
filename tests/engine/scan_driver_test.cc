#include "engine/scan_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "control_fakes.h"
#include "runtime/worker_pool.h"
#include "thread_queue.h"

namespace shardmill::engine {
namespace {

using ::testing::HasSubstr;
using Items = std::map<std::string, std::string>;

/// Notes every item; can be told to fail at any point.
class Collector final : public ScanConsumer {
 public:
    std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override {
        if (fail_start) return std::unexpected("no lane");
        const std::lock_guard lock(mutex);
        ++lanes;
        return std::make_unique<Lane>(*this);
    }
    ScanResult complete(const std::atomic<bool>&) override {
        EXPECT_EQ(lanes, finished);
        ++completed;
        if (fail_complete) return std::unexpected("not complete");
        return {};
    }
    void done(const ScanOutcome& how) override {
        EXPECT_FALSE(outcome.has_value());
        outcome = how;
    }

    class Lane final : public ScanLane {
     public:
        explicit Lane(Collector& owner) : owner_(owner) {}
        ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                       const std::atomic<bool>&) override {
            store::visit_items(segment, now, [this](const store::ItemView& item) {
                own_.emplace_back(item.key, item.value);
            });
            if (owner_.fail_map && ++owner_.mapped > 2) return std::unexpected("bad segment");
            return {};
        }
        ScanResult finish() override {
            const std::lock_guard lock(owner_.mutex);
            ++owner_.finished;
            for (auto& [key, value] : own_) {
                const bool is_new = owner_.items.emplace(key, std::move(value)).second;
                EXPECT_TRUE(is_new) << key << " was seen twice";
            }
            return {};
        }

     private:
        Collector& owner_;
        std::vector<std::pair<std::string, std::string>> own_;
    };

    std::mutex mutex;
    Items items;
    std::optional<ScanOutcome> outcome;
    int lanes = 0;
    int finished = 0;
    int completed = 0;
    std::atomic<int> mapped{0};
    bool fail_start = false;
    bool fail_map = false;
    bool fail_complete = false;
};

store::StoreConfig small_store() { return {.memory_limit = 64u << 20, .shards = 4, .reactors = 2}; }

ScanParts parts_of(ManualWorld& world) {
    return {.shards = &world.shards,
            .reactors = {&world.reactors[0], &world.reactors[1]},
            .control = &world.control,
            .workers = &world.workers,
            .lanes = 3,
            .clock = []() noexcept { return base::UnixSeconds{ManualWorld::kNow}; }};
}

class ScanDriverTest : public ::testing::Test {
 protected:
    void fill(int count) {
        for (int n = 0; n < count; ++n)
            put(std::to_string(n), std::string(200, 'v') + std::to_string(n));
    }
    void put(const std::string& key, const std::string& value) {
        world_.set(key, value);
        ASSERT_TRUE(world_.stored);
        model_[key] = value;
    }
    void expect_all_released() {
        EXPECT_EQ(world_.pinned_bytes(), 0u);
        bool idle = false;
        driver_.when_idle([&idle] { idle = true; });
        EXPECT_TRUE(idle);
    }

    ManualWorld world_{small_store()};
    ScanDriver driver_{parts_of(world_)};
    std::shared_ptr<Collector> collector_ = std::make_shared<Collector>();
    Items model_;
};

TEST_F(ScanDriverTest, VisitsEveryItemOnce) {
    fill(5000);
    const auto handle = driver_.start(collector_);
    world_.run_all();
    ASSERT_TRUE(collector_->outcome);
    EXPECT_EQ(collector_->outcome->status, ScanOutcome::Status::Completed);
    EXPECT_EQ(collector_->items, model_);
    EXPECT_EQ(collector_->completed, 1);
    EXPECT_EQ(collector_->lanes, 3);
    EXPECT_EQ(handle.progress().percent(), 100u);
    EXPECT_EQ(handle.progress().shards_done, 4u);
    expect_all_released();
}

TEST_F(ScanDriverTest, AnEmptyStoreStillHasOneLane) {
    const auto handle = driver_.start(collector_);
    world_.run_all();
    ASSERT_TRUE(collector_->outcome);
    EXPECT_EQ(collector_->outcome->status, ScanOutcome::Status::Completed);
    EXPECT_EQ(collector_->lanes, 1);
    EXPECT_EQ(collector_->completed, 1);
    EXPECT_TRUE(collector_->items.empty());
    expect_all_released();
}

TEST_F(ScanDriverTest, SeesTheVersionsOfTheCutWhateverIsWrittenMeanwhile) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        std::minstd_rand random(seed);
        auto collector = std::make_shared<Collector>();
        fill(2000);
        const auto handle = driver_.start(collector);
        ASSERT_TRUE(world_.control.run_one());
        ASSERT_FALSE(world_.reactors[0].empty());
        ASSERT_TRUE(world_.reactors[0].run_one());  // here all shards are cut
        const Items at_the_cut = model_;
        do {
            for (auto n = random() % 200; n > 0; --n) {
                const std::string key = std::to_string(random() % 3000);
                switch (random() % 3) {
                    case 0:
                        world_.erase(key);
                        model_.erase(key);
                        break;
                    case 1:
                        put(key, std::string(random() % 400, 'w'));
                        break;
                    default:
                        put(key, std::string(200, 'x') + std::to_string(random()));
                        break;
                }
            }
        } while (world_.step(random));
        ASSERT_TRUE(collector->outcome);
        ASSERT_EQ(collector->outcome->status, ScanOutcome::Status::Completed)
            << collector->outcome->reason;
        ASSERT_EQ(collector->items == at_the_cut, true) << "seed " << seed;
        expect_all_released();
    }
}

TEST_F(ScanDriverTest, LeavesOutWhatHadExpiredAtTheCut) {
    world_.set("late", "1", ManualWorld::kNow + 1);
    world_.set("over", "1", ManualWorld::kNow);
    driver_.start(collector_);
    world_.run_all();
    EXPECT_EQ(collector_->items, (Items{{"late", "1"}}));
}

TEST_F(ScanDriverTest, CanBeCancelledAtAnyPointAndReleasesEverything) {
    fill(5000);
    for (unsigned steps = 0; steps < 60; ++steps) {
        std::minstd_rand random(steps + 1);
        auto collector = std::make_shared<Collector>();
        auto handle = driver_.start(collector);
        for (unsigned n = 0; n < steps && world_.step(random); ++n) {
        }
        const bool was_over = collector->outcome.has_value();
        handle.cancel();
        while (world_.step(random)) {
        }
        ASSERT_TRUE(collector->outcome);
        if (!was_over && collector->completed == 0) {
            EXPECT_EQ(collector->outcome->status, ScanOutcome::Status::Stopped);
        }
        expect_all_released();
    }
}

TEST_F(ScanDriverTest, FailsWithTheReasonOfALane) {
    fill(20000);
    collector_->fail_map = true;
    driver_.start(collector_);
    world_.run_all();
    ASSERT_TRUE(collector_->outcome);
    EXPECT_EQ(collector_->outcome->status, ScanOutcome::Status::Failed);
    EXPECT_EQ(collector_->outcome->reason, "bad segment");
    EXPECT_EQ(collector_->completed, 0);
    expect_all_released();
}

TEST_F(ScanDriverTest, FailsWithTheReasonOfAStartOrAnEnd) {
    fill(10);
    collector_->fail_start = true;
    driver_.start(collector_);
    world_.run_all();
    EXPECT_EQ(collector_->outcome->reason, "no lane");
    auto other = std::make_shared<Collector>();
    other->fail_complete = true;
    driver_.start(other);
    world_.run_all();
    EXPECT_EQ(other->outcome->status, ScanOutcome::Status::Failed);
    EXPECT_EQ(other->outcome->reason, "not complete");
    expect_all_released();
}

TEST_F(ScanDriverTest, FailsInsteadOfARequestWhenMemoryRunsOut) {
    fill(100000);
    driver_.start(collector_);
    while (world_.control.run_one() || world_.reactors[0].run_one() ||
           world_.reactors[1].run_one()) {
    }
    // The cut is taken, no worker has run: everything is overwritten several times.
    for (int round = 0; round < 6; ++round) fill(100000);
    world_.run_all();
    ASSERT_TRUE(collector_->outcome);
    EXPECT_EQ(collector_->outcome->status, ScanOutcome::Status::Failed);
    EXPECT_THAT(collector_->outcome->reason, HasSubstr("raise -m"));
    expect_all_released();
}

TEST_F(ScanDriverTest, SeveralScansRunAtATime) {
    fill(5000);
    std::vector<std::shared_ptr<Collector>> collectors;
    for (int n = 0; n < 4; ++n) {
        collectors.push_back(std::make_shared<Collector>());
        driver_.start(collectors.back());
    }
    bool idle = false;
    driver_.when_idle([&idle] { idle = true; });
    EXPECT_FALSE(idle);
    world_.run_all();
    EXPECT_TRUE(idle);
    for (const auto& collector : collectors) EXPECT_EQ(collector->items, model_);
    EXPECT_EQ(world_.pinned_bytes(), 0u);
}

TEST(ScanDriverThreadsTest, SeesOneMomentWhileOthersWrite) {
    ManualWorld world(small_store());
    constexpr int kPairs = 4000;
    const auto write = [&world](int pair, int version) {
        // Both halves of a pair are written one after the other: a cut at one moment never sees the
        // second one newer.
        world.set("a" + std::to_string(pair), std::to_string(version));
        world.set("b" + std::to_string(pair), std::to_string(version));
    };
    for (int pair = 0; pair < kPairs; ++pair) write(pair, 1);

    auto collector = std::make_shared<Collector>();
    {
        ThreadQueue reactor_0;
        ThreadQueue reactor_1;
        ThreadControl control;
        runtime::WorkerPool workers({.threads = 2, .name = "test", .idle_priority = false});
        ScanDriver driver({.shards = &world.shards,
                           .reactors = {&reactor_0, &reactor_1},
                           .control = &control,
                           .workers = &workers,
                           .lanes = 2});
        std::atomic<bool> stop{false};
        std::jthread writer([&] {
            std::minstd_rand random(7);
            for (int version = 2; !stop; ++version)
                write(static_cast<int>(random() % kPairs), version);
        });
        std::atomic<bool> idle{false};
        control.post([&] {
            driver.start(collector);
            driver.when_idle([&idle] {
                idle = true;
                idle.notify_one();
            });
        });
        idle.wait(false);
        stop = true;
        writer.join();
        control.drain();
    }
    ASSERT_TRUE(collector->outcome);
    ASSERT_EQ(collector->outcome->status, ScanOutcome::Status::Completed)
        << collector->outcome->reason;
    ASSERT_EQ(collector->items.size(), 2u * kPairs);
    int half_written = 0;
    for (int pair = 0; pair < kPairs; ++pair) {
        const int a = std::stoi(collector->items["a" + std::to_string(pair)]);
        const int b = std::stoi(collector->items["b" + std::to_string(pair)]);
        EXPECT_GE(a, b);
        if (a > b) ++half_written;
    }
    EXPECT_LE(half_written, 1);
    EXPECT_EQ(world.pinned_bytes(), 0u);
}

}  // namespace
}  // namespace shardmill::engine
