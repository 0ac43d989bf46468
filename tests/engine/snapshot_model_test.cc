// A snapshot is of one moment, whatever happens while it is written.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "snapshot_server.h"
#include "temporary_directory.h"

namespace shardmill::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint32_t kShards = 4;
constexpr int kKeys = 6000;

class SnapshotModelTest : public ::testing::TestWithParam<int> {
 protected:
    using Contents = std::map<std::string, std::string>;

    std::string key() { return "key:" + std::to_string(random_() % kKeys); }

    std::string value() {
        const auto kind = random_() % 200;
        std::size_t bytes = random_() % 600;
        if (kind == 0) bytes = 30'000 + random_() % 600'000;
        if (kind < 20) return std::to_string(1'000'000 + random_() % 1000);
        return std::string(bytes, static_cast<char>('a' + random_() % 26));
    }

    template <typename Work>
    void with(const std::string& name, const Work& work) {
        const store::HashedKey key{name, base::hash_key(name)};
        const auto shard = server_.world.shards.lock(server_.world.shards.shard_of(key.hash));
        work(*shard, key, shard->find(key, server_.now()));
    }

    void set(const std::string& name) {
        const std::string text = value();
        // Deadlines that pass while it is saved, that never pass, and none.
        const std::uint32_t ttl[] = {0, 0, 0, 3, 100'000};
        const std::uint32_t seconds = ttl[random_() % 5];
        with(name, [&](store::Shard& shard, const store::HashedKey& key, const auto& existing) {
            (void)shard.put({.key = key,
                             .value_head = text,
                             .value_tail = {},
                             .client_flags = static_cast<std::uint32_t>(random_() % 3),
                             .exptime = seconds == 0 ? 0 : server_.now() + seconds},
                            existing ? &*existing : nullptr, server_.now());
        });
    }

    /// As large values come: into space of their own, linked when complete.
    void upload(const std::string& name) {
        const std::string text(300'000 + random_() % 2'000'000, 'U');
        with(name, [&](store::Shard& shard, const store::HashedKey& key, const auto&) {
            const auto space =
                shard.reserve(static_cast<std::uint32_t>(name.size()),
                              static_cast<std::uint32_t>(text.size()), server_.now());
            if (!space) return;
            text.copy(space->value, text.size());
            const auto existing = shard.find(key, server_.now());
            (void)shard.commit(*space, {.key = key, .value_head = {}, .value_tail = {}},
                               existing ? &*existing : nullptr, server_.now());
        });
    }

    void erase(const std::string& name) {
        with(name, [](store::Shard& shard, const auto&, const auto& existing) {
            if (existing) shard.erase(*existing);
        });
    }

    /// As incr does it: over the old number where that is allowed.
    void change(const std::string& name) {
        const std::string number = std::to_string(random_() % 1000);
        with(name, [&](store::Shard& shard, const store::HashedKey& key, const auto& existing) {
            if (!existing || shard.overwrite_value(*existing, number)) return;
            (void)shard.put({.key = key, .value_head = number, .value_tail = {}}, &*existing,
                            server_.now());
        });
    }

    void touch(const std::string& name) {
        with(name, [&](store::Shard& shard, const auto&, const auto& existing) {
            if (!existing) return;
            shard.bump(*existing, server_.now());
            (void)shard.set_exptime(*existing, server_.now() + 50'000, server_.now());
        });
    }

    void flush() {
        for (std::uint32_t shard = 0; shard < kShards; ++shard) {
            server_.world.shards.lock(shard)->flush_all(server_.now(), server_.now());
        }
    }

    void act() {
        switch (random_() % 32) {
            case 0:
            case 1:
            case 2:
                return erase(key());
            case 3:
            case 4:
            case 5:
                return change(key());
            case 6:
            case 7:
                return touch(key());
            case 8:
                if (random_() % 60 == 0) return flush();
                if (random_() % 20 == 0) return upload(key());
                if (random_() % 60 == 0) ++SnapshotServer::seconds_passed;
                [[fallthrough]];
            default:
                return set(key());
        }
    }

    void keep_house() {
        (void)server_.world.shards.lock(static_cast<std::uint32_t>(random_() % kShards))
            ->housekeep(server_.now());
    }

    Contents contents() {
        Contents all;
        for (int n = 0; n < kKeys; ++n) {
            const std::string name = "key:" + std::to_string(n);
            if (auto found = server_.get(name)) all.emplace(name, std::move(*found));
        }
        return all;
    }

    /// Begins a save up to the moment of the cut.
    Contents begin_save() {
        server_.run_all();  // what the one before has left
        server_.submit("save");
        server_.world.control.run_one();
        const Contents then = contents();
        EXPECT_TRUE(server_.world.reactors[0].run_one()) << "the cut";
        return then;
    }

    const TemporaryDirectory directory_;
    std::mt19937_64 random_{static_cast<std::uint64_t>(GetParam())};
    // Too small for what is stored: there is eviction all the time.
    SnapshotServer server_{directory_.path(), kShards, {}, 20u << 20};
};

TEST_P(SnapshotModelTest, WhatIsSavedIsWhatWasThereAtOneMoment) {
    for (int n = 0; n < 20'000; ++n) act();
    int committed = 0;
    for (int round = 0; round < 6; ++round) {
        const Contents then = begin_save();
        const std::uint32_t cut_at = SnapshotServer::seconds_passed;
        std::string reply;
        while ((reply = server_.reply()).empty()) {
            for (auto n = random_() % 60; n != 0; --n) act();
            keep_house();
            for (auto n = random_() % 8; n != 0; --n) server_.world.step(random_);
        }
        if (!reply.starts_with("HD ")) {
            // More was overwritten than a scan may hold: it says so, and nobody else notices.
            EXPECT_THAT(reply, HasSubstr("memory ran out while the scan held it"));
            continue;
        }
        ++committed;
        store::ShardSet shards({.memory_limit = 64u << 20, .shards = 2});
        static std::uint32_t moment;
        moment = SnapshotServer::now() - SnapshotServer::seconds_passed + cut_at;
        const auto report =
            load_snapshot(shards, *server_.catalog, {.clock = []() noexcept { return moment; }});
        ASSERT_TRUE(report && *report);
        EXPECT_EQ((*report)->items, then.size());
        for (const auto& [name, text] : then) {
            const store::HashedKey key{name, base::hash_key(name)};
            const auto shard = shards.lock(shards.shard_of(key.hash));
            const auto found = shard->find(key, moment);
            ASSERT_TRUE(found) << name;
            ASSERT_TRUE(found->view.value == text) << name;
        }
    }
    EXPECT_GT(committed, 0);
    server_.run_all();
    EXPECT_EQ(server_.world.pinned_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SnapshotModelTest, ::testing::Range(1, 7));

}  // namespace
}  // namespace shardmill::engine
