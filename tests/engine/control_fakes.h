#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "engine/control_queue.h"
#include "net/executor.h"
#include "runtime/task_queue.h"
#include "store/shard_set.h"

namespace shardmill::engine {

/// A queue that runs a task when the test says so. Any thread may post.
class ManualQueue final : public runtime::TaskQueue {
 public:
    void post(runtime::Task task) override {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    bool run_one() {
        runtime::Task task;
        {
            const std::lock_guard lock(mutex_);
            if (tasks_.empty()) return false;
            task = std::move(tasks_.front());
            tasks_.pop_front();
        }
        task();
        return true;
    }
    bool empty() const {
        const std::lock_guard lock(mutex_);
        return tasks_.empty();
    }

 private:
    mutable std::mutex mutex_;
    std::deque<runtime::Task> tasks_;
};

/// A control thread whose clock stands still until `advance`.
class ManualControl final : public ControlQueue {
 public:
    void post(runtime::Task task) override { queue_.post(std::move(task)); }
    TimerId post_after(std::chrono::milliseconds delay, runtime::Task task) override {
        timers_.emplace(++last_, std::pair(now_ + delay, std::move(task)));
        return last_;
    }
    void cancel(TimerId timer) noexcept override { timers_.erase(timer); }

    bool run_one() { return queue_.run_one(); }
    bool empty() const { return queue_.empty(); }
    std::size_t timers() const { return timers_.size(); }
    void advance(std::chrono::milliseconds time) {
        now_ += time;
        for (auto timer = timers_.begin(); timer != timers_.end();) {
            if (timer->second.first > now_) {
                ++timer;
                continue;
            }
            queue_.post(std::move(timer->second.second));
            timer = timers_.erase(timer);
        }
    }

 private:
    ManualQueue queue_;
    std::chrono::milliseconds now_{0};
    std::map<TimerId, std::pair<std::chrono::milliseconds, runtime::Task>> timers_;
    TimerId last_ = 0;
};

/// Keeps what was answered, by the connection's slot.
class FakeReplier final : public net::Replier {
 public:
    void reply(net::ConnectionId connection, std::string bytes) override {
        replies[connection.slot].push_back(std::move(bytes));
    }
    void push(net::ConnectionId connection, std::string bytes, net::Delivered delivered) override {
        pushes.push_back({connection, std::move(bytes), std::move(delivered)});
    }
    struct Push {
        net::ConnectionId connection;
        std::string bytes;
        net::Delivered delivered;
    };
    std::deque<Push> pushes;
    std::map<std::uint32_t, std::vector<std::string>> replies;
};

/// Shards and the threads around them, all driven by hand: two reactors, the control thread, and
/// workers as one queue (tasks of several workers overlap only in the order of their steps).
struct ManualWorld {
    static constexpr std::uint32_t kNow = 1'000'000;

    explicit ManualWorld(const store::StoreConfig& config) : shards(config) {}

    void set(const std::string& key, const std::string& value, std::uint32_t exptime = 0) {
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = shards.lock(shards.shard_of(hashed.hash));
        const auto existing = shard->find(hashed, kNow);
        const store::NewItem item{
            .key = hashed, .value_head = value, .value_tail = {}, .exptime = exptime};
        stored = shard->put(item, existing ? &*existing : nullptr, kNow).has_value();
    }
    void erase(const std::string& key) {
        const store::HashedKey hashed{key, base::hash_key(key)};
        const auto shard = shards.lock(shards.shard_of(hashed.hash));
        if (const auto existing = shard->find(hashed, kNow)) shard->erase(*existing);
    }
    std::uint64_t pinned_bytes() {
        std::uint64_t bytes = 0;
        for (std::uint32_t shard = 0; shard < shards.size(); ++shard) {
            bytes += shards.lock(shard)->stats().pinned_bytes;
        }
        return bytes;
    }
    /// One task of some thread; false when nobody has any.
    template <typename Random>
    bool step(Random& random) {
        const auto first = random() % 4;
        for (unsigned n = 0; n < 4; ++n) {
            switch ((first + n) % 4) {
                case 0:
                    if (reactors[0].run_one()) return true;
                    break;
                case 1:
                    if (reactors[1].run_one()) return true;
                    break;
                case 2:
                    if (workers.run_one()) return true;
                    break;
                default:
                    if (control.run_one()) return true;
            }
        }
        return false;
    }
    void run_all() {
        std::minstd_rand random(1);
        while (step(random)) {
        }
    }

    store::ShardSet shards;
    ManualQueue reactors[2];
    ManualQueue workers;
    ManualControl control;
    bool stored = false;  // the last set
};

}  // namespace shardmill::engine
