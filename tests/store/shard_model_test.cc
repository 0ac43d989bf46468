// Long random sequences of every operation against a reference map.

#include <fmt/format.h>

#include <random>

#include "shard_fixture.h"

namespace shardmill::store {
namespace {

struct Expected {
    std::string value;
    std::uint32_t exptime = 0;
    std::uint32_t flags = 0;
    std::uint64_t shown_cas = 0;  // 0: never shown
};

class ShardModelTest : public ShardTest, public testing::WithParamInterface<unsigned> {
 protected:
    using Model = std::map<std::string, Expected>;

    struct LiveCut {
        ShardCut cut;
        std::map<std::string, std::string> expected;
    };

    std::uint32_t random(std::uint32_t below) {
        return static_cast<std::uint32_t>(random_() % below);
    }
    std::string random_key() { return fmt::format("key{}", random(keys_)); }
    std::string random_value() {
        std::uint32_t bytes = random(60);
        if (random(50) == 0) bytes = random(2000);
        if (random(1000) == 0) bytes = random(120'000);
        return std::string(bytes, static_cast<char>('a' + random(26)));
    }
    std::uint32_t random_exptime() { return random(3) == 0 ? now_ + 1 + random(60) : 0; }

    void expire() {
        std::erase_if(model_, [&](const auto& entry) {
            return entry.second.exptime != 0 && entry.second.exptime <= now_;
        });
    }

    /// Compares one key; without eviction it must be there, with eviction it may have gone.
    std::optional<Handle> check(const std::string& key) {
        const auto handle = shard_->find(hashed(key), now_);
        const auto expected = model_.find(key);
        if (expected == model_.end()) {
            EXPECT_FALSE(handle) << key << " should be gone";
        } else if (!handle) {
            EXPECT_TRUE(evicting_) << key << " is lost";
            model_.erase(expected);
        } else {
            EXPECT_EQ(handle->view.value, expected->second.value) << key;
            EXPECT_EQ(handle->view.exptime, expected->second.exptime) << key;
            EXPECT_EQ(handle->view.client_flags, expected->second.flags) << key;
            if (expected->second.shown_cas != 0) {
                EXPECT_EQ(handle->view.cas, expected->second.shown_cas) << key;
            }
        }
        return handle;
    }

    void step();
    void run(int steps);
    void begin_cut();
    void end_cut();

    std::mt19937_64 random_;
    std::uint32_t keys_ = 2000;
    bool evicting_ = false;
    Model model_;
    std::vector<LiveCut> cuts_;
};

void ShardModelTest::begin_cut() {
    LiveCut live{.cut = shard_->take_cut(now_, std::make_shared<CutState>()), .expected = {}};
    if (evicting_) {
        live.expected =
            contents(live.cut, false);  // What is left of the model is only known by looking.
    } else {
        for (const auto& [key, expected] : model_) live.expected[key] = expected.value;
    }
    cuts_.push_back(std::move(live));
}

void ShardModelTest::end_cut() {
    const LiveCut live = std::move(cuts_.front());
    cuts_.erase(cuts_.begin());
    const auto seen = contents(live.cut);
    if (!live.cut.state->failed) {
        EXPECT_EQ(seen, live.expected);
    }
    release(live.cut);
}

void ShardModelTest::step() {
    pool_->release_freed_memory();  // As a reactor does after every turn.
    const std::string key = random_key();
    const auto handle = check(key);
    switch (random(12)) {
        case 0:
        case 1:
        case 2:
        case 3: {
            const Expected item{random_value(), random_exptime(), random(2) * random(100), 0};
            const auto stored = shard_->put({.key = hashed(key),
                                             .value_head = item.value,
                                             .client_flags = item.flags,
                                             .exptime = item.exptime},
                                            handle ? &*handle : nullptr, now_);
            ASSERT_TRUE(stored);
            const std::uint64_t before = model_.contains(key) ? model_[key].shown_cas : 0;
            if (before != 0) {
                EXPECT_GT(stored->view.cas, before);
            }
            model_[key] = item;
            break;
        }
        case 4:
            if (handle) shard_->bump(*handle, now_);
            break;
        case 5:
            if (handle) {
                shard_->erase(*handle);
                model_.erase(key);
            }
            break;
        case 6:
            if (handle) {
                const std::uint32_t exptime = random_exptime();
                ASSERT_TRUE(shard_->set_exptime(*handle, exptime, now_));
                model_[key].exptime = exptime;
            }
            break;
        case 7:
            if (handle && handle->view.value.size() < 200'000) {
                const std::string tail = random_value();
                const Expected old = model_[key];
                ASSERT_TRUE(shard_->put({.key = hashed(key),
                                         .value_head = handle->view.value,
                                         .value_tail = tail,
                                         .client_flags = old.flags,
                                         .exptime = old.exptime},
                                        &*handle, now_));
                model_[key] = {old.value + tail, old.exptime, old.flags, 0};
            }
            break;
        case 8:
            if (handle) model_[key].shown_cas = shard_->show_cas(*handle);
            break;
        case 9:
            if (handle) {
                const std::string value(handle->view.value.size(), '#');
                if (shard_->overwrite_value(*handle, value)) model_[key].value = value;
            }
            break;
        case 10: {
            const std::string value = random_value();
            auto reservation = shard_->reserve(static_cast<std::uint32_t>(key.size()),
                                               static_cast<std::uint32_t>(value.size()), now_);
            ASSERT_TRUE(reservation);
            std::memcpy(reservation->value, value.data(), value.size());
            if (random(3) == 0) {
                shard_->abandon(*reservation);
                break;
            }
            const auto existing = shard_->find(hashed(key), now_);
            ASSERT_TRUE(shard_->commit(*reservation, {.key = hashed(key)},
                                       existing ? &*existing : nullptr, now_));
            model_[key] = {value, 0, 0, 0};
            break;
        }
        default:
            shard_->housekeep(now_);
    }
}

void ShardModelTest::run(int steps) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
        step();
        if (random(100) == 0) {
            now_ += random(5);
            expire();
        }
        if (random(400) == 0 && cuts_.size() < 3) begin_cut();
        if (random(600) == 0 && !cuts_.empty()) end_cut();
        if (evicting_ && random(2000) == 0) {
            ASSERT_TRUE(pool_->set_limit((2 + random(3)) * (pool_->limit_max() / 4)));
        }
        if (random(20'000) == 0) {
            shard_->flush_all(0, now_);
            model_.clear();
        }
    }
    while (!cuts_.empty()) end_cut();
    while (shard_->housekeep(now_)) pool_->release_freed_memory();
    for (std::uint32_t i = 0; i < keys_; ++i) check(fmt::format("key{}", i));
    EXPECT_LE(pool_->charged_bytes(), pool_->memory_limit());
    EXPECT_EQ(shard_->stats().pinned_bytes, 0u);
}

TEST_P(ShardModelTest, AgreesWithAMapWhileThereIsRoom) {
    make(64u << 20);
    random_.seed(GetParam());
    run(60'000);
}

TEST_P(ShardModelTest, NeverShowsAWrongValueUnderEviction) {
    make(2u << 20);
    evicting_ = true;
    keys_ = 20'000;
    random_.seed(GetParam() + 100);
    run(60'000);
    EXPECT_GT(shard_->stats().evictions, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShardModelTest, testing::Range(1u, 5u));

}  // namespace
}  // namespace shardmill::store
