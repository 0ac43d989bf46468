// lru_crawler crawl, metadump and mgdump, stepped by hand.

#include "engine/crawler_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <string>

#include "base/hash.h"
#include "control_fakes.h"

namespace shardmill::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint32_t kLanes = 3;
constexpr std::size_t kUnreadMax = 256u << 10;
constexpr std::size_t kChunk = 16u << 10;

base::UnixSeconds manual_now = ManualWorld::kNow;
base::UnixSeconds manual_clock() noexcept { return manual_now; }

class CrawlerTest : public ::testing::Test {
 protected:
    CrawlerTest() { manual_now = ManualWorld::kNow; }

    /// Everybody runs until nobody has anything left; what is pushed is read at once.
    void run_all() {
        std::minstd_rand random(1);
        while (world_.step(random) || read_one()) {
        }
    }
    /// The same with a client that reads nothing.
    void run_unread() { world_.run_all(); }

    bool read_one(bool delivered = true) {
        if (replier_.pushes.empty()) return false;
        FakeReplier::Push push = std::move(replier_.pushes.front());
        replier_.pushes.pop_front();
        output_ += push.bytes;
        push.delivered(delivered);
        return true;
    }
    std::size_t unread() const {
        std::size_t bytes = 0;
        for (const FakeReplier::Push& push : replier_.pushes) bytes += push.bytes.size();
        return bytes;
    }
    void pass(std::uint32_t seconds) {
        for (std::uint32_t n = 0; n < seconds; ++n) {
            world_.control.advance(std::chrono::seconds(1));
            run_unread();
        }
    }

    std::string ask(std::string_view arguments) {
        crawler_.execute(arguments, kClient);
        run_all();
        return take_output();
    }
    std::string take_output() {
        for (std::string& reply : replier_.replies[kClient.slot]) output_ += reply;
        replier_.replies.clear();
        return std::exchange(output_, {});
    }
    void expect_all_released() {
        EXPECT_EQ(world_.pinned_bytes(), 0u);
        bool idle = false;
        scans_.when_idle([&idle] { idle = true; });
        EXPECT_TRUE(idle);
        EXPECT_EQ(world_.control.timers(), 0u);
        EXPECT_EQ(counters_.lru_crawler_running, 0u);
    }
    void read(const std::string& key) {
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = world_.shards.lock(world_.shards.shard_of(hashed.hash));
        const auto found = shard->find(hashed, manual_now);
        ASSERT_TRUE(found);
        shard->bump(*found, manual_now);
    }
    void fill(int count) {
        for (int n = 0; n < count; ++n) world_.set("key:" + std::to_string(n), "value");
    }

    static constexpr net::ConnectionId kClient{0, 7, 1};
    ManualWorld world_{{.memory_limit = 64u << 20, .shards = 4, .reactors = 2}};
    ScanDriver scans_{{.shards = &world_.shards,
                       .reactors = {&world_.reactors[0], &world_.reactors[1]},
                       .control = &world_.control,
                       .workers = &world_.workers,
                       .lanes = kLanes,
                       .clock = manual_clock}};
    FakeReplier replier_;
    ServerCounters counters_;
    CrawlerCommands crawler_{{.control = &world_.control,
                              .scans = &scans_,
                              .shards = &world_.shards,
                              .reactors = {&world_.reactors[0], &world_.reactors[1]},
                              .replier = &replier_,
                              .counters = &counters_,
                              .limits = {},
                              .clock = manual_clock}};
    std::string output_;
};

/// The keys of a dump's lines with how often they came; checks the first and the last line.
std::map<std::string, int> keys_of(std::string_view dump, std::string_view head,
                                   std::string_view last) {
    EXPECT_THAT(std::string(dump.substr(0, 40)), StartsWith("OK\r\n"));
    EXPECT_TRUE(dump.ends_with(last)) << dump.substr(dump.size() - 100);
    std::map<std::string, int> keys;
    dump.remove_prefix(4);
    dump.remove_suffix(last.size());
    while (!dump.empty()) {
        const std::string_view line = dump.substr(0, dump.find('\n'));
        dump.remove_prefix(line.size() + 1);
        EXPECT_TRUE(line.starts_with(head)) << line;
        const std::string_view rest = line.substr(head.size());
        ++keys[std::string(rest.substr(0, rest.find_first_of(" \r")))];
    }
    return keys;
}

/// Without the CAS, which nobody can foresee.
std::string without_cas(std::string line) {
    const auto begin = line.find(" cas=");
    if (begin != std::string::npos) line.erase(begin, line.find(' ', begin + 1) - begin);
    return line;
}

TEST_F(CrawlerTest, MetadumpWritesLinesAsMemcachedDoes) {
    world_.set("a b%/~\xff", "hello", ManualWorld::kNow + 100);
    manual_now += 20;
    read("a b%/~\xff");
    EXPECT_EQ(without_cas(ask("metadump all")),
              "OK\r\n"
              "key=a%20b%25%2F~%FF exp=1000100 la=1000020 fetch=yes cls=1 size=71 flags=0 \n"
              "END\r\n");
    expect_all_released();
}

TEST_F(CrawlerTest, MetadumpShowsWhatWasNeverReadAndNeverExpires) {
    world_.set("k", "v");
    EXPECT_EQ(without_cas(ask("metadump hash")),
              "OK\r\nkey=k exp=-1 la=1000000 fetch=no cls=1 size=61 flags=0 \nEND\r\n");
}

TEST_F(CrawlerTest, MetadumpShowsTheCasThatClientsSee) {
    world_.set("k", "v");
    std::uint64_t cas = 0;
    {
        const store::HashedKey key{"k", base::hash_key("k")};
        const auto shard = world_.shards.lock(world_.shards.shard_of(key.hash));
        cas = shard->show_cas(*shard->find(key, manual_now));
    }
    EXPECT_THAT(ask("metadump all"), HasSubstr(" cas=" + std::to_string(cas) + " "));
}

TEST_F(CrawlerTest, MgdumpWritesCommands) {
    world_.set("plain", "v");
    EXPECT_EQ(ask("mgdump all"), "OK\r\nmg plain\r\nEN\r\n");
    const store::HashedKey key{std::string_view("\0\1", 2), base::hash_key({"\0\1", 2})};
    world_.erase("plain");
    {
        const auto shard = world_.shards.lock(world_.shards.shard_of(key.hash));
        shard->put({.key = key,
                    .value_head = "v",
                    .value_tail = {},
                    .header_bits = store::ItemHeader::kBinaryKey},
                   nullptr, manual_now);
    }
    EXPECT_EQ(ask("mgdump all"), "OK\r\nmg AAE= b\r\nEN\r\n");
}

TEST_F(CrawlerTest, DumpsLeaveOutWhatHasExpired) {
    world_.set("over", "v", ManualWorld::kNow);
    EXPECT_EQ(ask("metadump all"), "OK\r\nEND\r\n");
    EXPECT_EQ(ask("mgdump all"), "OK\r\nEN\r\n");
}

TEST_F(CrawlerTest, OnlyTheClassThatHoldsItemsHasSome) {
    world_.set("k", "v");
    EXPECT_EQ(ask("mgdump 1"), "OK\r\nmg k\r\nEN\r\n");
    EXPECT_EQ(ask("mgdump 5,1"), "OK\r\nmg k\r\nEN\r\n");
    EXPECT_EQ(ask("mgdump 2,63"), "OK\r\nEN\r\n");
    EXPECT_EQ(ask("metadump 2"), "OK\r\nEND\r\n");
    EXPECT_EQ(ask("crawl 2"), "OK\r\n");
    for (const char* classes : {"0", "64", "x", "1,x", "-1", "1 "}) {
        const std::string answer = ask(std::string("crawl ") + classes);
        EXPECT_EQ(answer, classes[1] == ' ' ? "OK\r\n" : "BADCLASS invalid class id\r\n")
            << classes;
    }
    EXPECT_EQ(ask("crawl ,"), "NOTSTARTED no items to crawl\r\n");
    EXPECT_EQ(ask("crawl hash"), "ERROR an unknown error happened\r\n");
}

TEST_F(CrawlerTest, OnlyOneRunsAtATime) {
    fill(100);
    crawler_.execute("metadump all", kClient);
    crawler_.execute("mgdump all", {1, 8, 1});
    crawler_.execute("crawl all", {1, 8, 1});
    crawler_.execute("crawl 0", {1, 8, 1});
    EXPECT_EQ(counters_.lru_crawler_running, 1u);
    EXPECT_THAT(replier_.replies[8], ElementsAre("BUSY currently processing crawler request\r\n",
                                                 "BUSY currently processing crawler request\r\n",
                                                 "BADCLASS invalid class id\r\n"));
    run_all();
    EXPECT_EQ(keys_of(take_output(), "key=", "END\r\n").size(), 100u);
    expect_all_released();
    EXPECT_EQ(ask("crawl all"), "OK\r\n");
    EXPECT_EQ(counters_.get(ServerCounter::LruCrawlerStarts), 2u);
    EXPECT_EQ(counters_.get(ServerCounter::CrawlerItemsChecked), 200u);
    expect_all_released();
}

TEST_F(CrawlerTest, DumpsEveryItemOfOneMomentOnceWhateverIsWrittenMeanwhile) {
    constexpr int kItems = 20000;
    fill(kItems);
    std::minstd_rand random(3);
    crawler_.execute("mgdump all", kClient);
    // The cut first, then changes between all steps of all threads.
    while (world_.control.run_one() || world_.reactors[0].run_one() ||
           world_.reactors[1].run_one()) {
    }
    for (int n = 0; world_.step(random) || read_one(); ++n) {
        world_.erase("key:" + std::to_string(random() % kItems));
        world_.set("key:" + std::to_string(random() % kItems), "other");
        world_.set("later:" + std::to_string(n), "v");
    }
    const auto keys = keys_of(take_output(), "mg key:", "EN\r\n");
    EXPECT_EQ(keys.size(), static_cast<std::size_t>(kItems));
    for (const auto& [key, times] : keys) EXPECT_EQ(times, 1) << key;
    expect_all_released();
}

TEST_F(CrawlerTest, AsksTheShardsAboutItemsThatAreNoLongerWhereTheyWere) {
    world_.set("replaced", "v");
    world_.set("removed", "v");
    world_.set("touched", "v");
    manual_now += 50;
    crawler_.execute("metadump all", kClient);
    while (world_.control.run_one() || world_.reactors[0].run_one() ||
           world_.reactors[1].run_one()) {
    }
    manual_now += 50;
    world_.set("replaced", "longer value");
    world_.erase("removed");
    {
        // Moves the item, because it had no deadline before, and keeps its stamp.
        const store::HashedKey key{"touched", base::hash_key("touched")};
        const auto shard = world_.shards.lock(world_.shards.shard_of(key.hash));
        ASSERT_TRUE(shard->set_exptime(*shard->find(key, manual_now), manual_now + 9, manual_now));
    }
    run_all();
    const std::string dump = without_cas(take_output());
    EXPECT_THAT(dump, HasSubstr("key=touched exp=-1 la=1000000 "));
    // What happened to these after the cut is not part of it; then they were there.
    EXPECT_THAT(dump, HasSubstr("key=removed exp=-1 la=1000050 "));
    EXPECT_THAT(dump, HasSubstr("key=replaced exp=-1 la="));
    EXPECT_THAT(dump, EndsWith("END\r\n"));
    EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'), 5);
    expect_all_released();
}

TEST_F(CrawlerTest, AClientThatReadsSlowlyBoundsWhatIsWritten) {
    constexpr int kItems = 60000;
    fill(kItems);
    crawler_.execute("metadump all", kClient);
    std::size_t most = 0;
    do {
        run_unread();
        most = std::max(most, unread());
        // Nobody waits on a worker for the client: there is nothing left to run.
        EXPECT_TRUE(world_.workers.empty());
    } while (read_one());
    EXPECT_GE(most, kUnreadMax);
    EXPECT_LE(most, kUnreadMax + kLanes * (kChunk + 1024));
    const auto keys = keys_of(take_output(), "key=key%3A", "END\r\n");
    EXPECT_EQ(keys.size(), static_cast<std::size_t>(kItems));
    for (const auto& [key, times] : keys) EXPECT_EQ(times, 1) << key;
    expect_all_released();
}

TEST_F(CrawlerTest, OtherScansGoOnWhileADumpRests) {
    fill(60000);
    crawler_.execute("metadump all", kClient);
    run_unread();
    class Counting final : public ScanConsumer {
     public:
        class Lane final : public ScanLane {
         public:
            explicit Lane(std::atomic<int>& items) : items_(items) {}
            ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                           const std::atomic<bool>&) override {
                store::visit_items(segment, now, [this](const store::ItemView&) { ++items_; });
                return {};
            }
            ScanResult finish() override { return {}; }

         private:
            std::atomic<int>& items_;
        };
        std::expected<std::unique_ptr<ScanLane>, std::string> start_lane() override {
            return std::make_unique<Lane>(items);
        }
        ScanResult complete(const std::atomic<bool>&) override { return {}; }
        void done(const ScanOutcome& outcome) override { status = outcome.status; }
        std::atomic<int> items{0};
        ScanOutcome::Status status = ScanOutcome::Status::Failed;
    };
    auto other = std::make_shared<Counting>();
    scans_.start(other);
    run_unread();
    EXPECT_EQ(other->status, ScanOutcome::Status::Completed);
    EXPECT_EQ(other->items, 60000);
    run_all();
    EXPECT_EQ(keys_of(take_output(), "key=", "END\r\n").size(), 60000u);
    expect_all_released();
}

TEST_F(CrawlerTest, AClientThatGoesAwayEndsTheDumpAtAnyPoint) {
    fill(60000);
    for (unsigned steps = 0; steps < 80; ++steps) {
        std::minstd_rand random(steps + 1);
        crawler_.execute("metadump all", kClient);
        for (unsigned n = 0; n < steps && world_.step(random); ++n) {
        }
        if (steps % 2 == 0) {
            crawler_.forget(kClient);
        } else {
            while (read_one(false)) {
            }
        }
        while (world_.step(random) || read_one(false)) {
        }
        expect_all_released();
    }
    take_output();
    EXPECT_EQ(ask("crawl all"), "OK\r\n");
}

TEST_F(CrawlerTest, SomebodyElsesEndDoesNotEndIt) {
    fill(10);
    crawler_.execute("metadump all", kClient);
    crawler_.forget({0, 7, 2});
    crawler_.forget({1, 7, 1});
    run_all();
    EXPECT_EQ(keys_of(take_output(), "key=", "END\r\n").size(), 10u);
}

TEST_F(CrawlerTest, ADumpThatNobodyReadsEndsAfterAWhile) {
    fill(60000);
    crawler_.execute("metadump all", kClient);
    run_unread();
    pass(200);
    EXPECT_EQ(counters_.lru_crawler_running, 1u);
    read_one();
    pass(200);
    EXPECT_EQ(counters_.lru_crawler_running, 1u);
    pass(101);
    expect_all_released();
    EXPECT_THAT(take_output(), EndsWith("SERVER_ERROR dump ended: nothing of it was read for too "
                                        "long\r\n"));
}

TEST_F(CrawlerTest, ADumpWhoseMemoryWasTakenBackEndsWithAnError) {
    for (int n = 0; n < 60000; ++n) world_.set("key:" + std::to_string(n), std::string(400, 'v'));
    crawler_.execute("metadump all", kClient);
    run_unread();
    // The lanes rest; everything is overwritten several times.
    for (int round = 0; round < 4; ++round) {
        for (int n = 0; n < 60000; ++n) {
            world_.set("key:" + std::to_string(n), std::string(401 + round, 'x'));
        }
    }
    pass(1);
    EXPECT_EQ(counters_.lru_crawler_running, 0u);
    run_all();
    const std::string dump = take_output();
    EXPECT_THAT(dump.substr(dump.rfind('\n', dump.size() - 2) + 1),
                StartsWith("SERVER_ERROR dump ended: memory ran out"));
    expect_all_released();
    EXPECT_EQ(ask("crawl all"), "OK\r\n");
}

TEST_F(CrawlerTest, CrawlDropsWhatHasExpiredBetweenItemsThatLive) {
    constexpr int kItems = 5000;
    for (int n = 0; n < kItems; ++n) {
        world_.set(std::to_string(n), "v", n % 2 == 0 ? ManualWorld::kNow + 10 : 0);
    }
    manual_now += 10;
    EXPECT_EQ(ask("crawl all"), "OK\r\n");
    std::uint64_t items = 0;
    std::uint64_t reclaimed = 0;
    for (std::uint32_t shard = 0; shard < world_.shards.size(); ++shard) {
        const store::ShardStats stats = world_.shards.lock(shard)->stats();
        items += stats.items;
        reclaimed += stats.crawler_reclaimed;
    }
    EXPECT_EQ(items, kItems / 2u);
    EXPECT_EQ(reclaimed, kItems / 2u);
    EXPECT_EQ(counters_.get(ServerCounter::CrawlerItemsChecked), static_cast<unsigned>(kItems));
    expect_all_released();
}

TEST_F(CrawlerTest, CrawlLeavesAloneWhatWasStoredAnewMeanwhile) {
    world_.set("k", "v", ManualWorld::kNow + 10);
    manual_now += 10;
    crawler_.execute("crawl all", kClient);
    while (world_.control.run_one() || world_.reactors[0].run_one() ||
           world_.reactors[1].run_one()) {
    }
    while (world_.workers.run_one()) {
    }
    world_.set("k", "again");
    run_all();
    EXPECT_THAT(ask("mgdump all"), HasSubstr("mg k\r\n"));
}

}  // namespace
}  // namespace shardmill::engine
