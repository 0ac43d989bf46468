// Micro benches of what a request consists of: parser, hash, shard lock, reply, and a turn of the
// executor with everything behind it. The index look-up alone is in store_bench.cc. `instructions`
// counts instead of timing.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "config/config.h"
#include "engine/engine.h"
#include "net/executor.h"
#include "protocol/parser.h"
#include "protocol/reply.h"
#include "store/shard_lock.h"

namespace shardmill {
namespace {

constexpr std::string_view kGet = "get key:00000000000000000042\r\n";
const std::string kValue(100, 'v');
const std::string kSet = fmt::format("set key:00000000000000000042 0 0 100\r\n{}\r\n", kValue);

/// A fixed number of rounds, so that two runs can be subtracted from each other.
void fix_iterations(benchmark::internal::Benchmark* bench) {
    if (const char* iterations = std::getenv("SHARDMILL_BENCH_ITERATIONS")) {
        bench->Iterations(std::strtoll(iterations, nullptr, 10));
    }
}

void count_items(benchmark::State& state, std::int64_t each = 1) {
    state.SetItemsProcessed(state.iterations() * each);
    state.counters["items_each"] = static_cast<double>(each);
}

void parse(benchmark::State& state, std::string_view line) {
    const auto request = std::make_unique<protocol::Request>();
    for (auto _ : state) {
        auto dialect = protocol::Dialect::Text;
        benchmark::DoNotOptimize(dialect);
        benchmark::DoNotOptimize(protocol::parse(dialect, line, *request));
        benchmark::ClobberMemory();
    }
    count_items(state);
}
BENCHMARK_CAPTURE(parse, get, kGet)->Apply(fix_iterations);
BENCHMARK_CAPTURE(parse, set_100, std::string_view(kSet))->Apply(fix_iterations);

void hash(benchmark::State& state) {
    std::string_view key = kGet.substr(4, 24);
    for (auto _ : state) {
        benchmark::DoNotOptimize(key);
        benchmark::DoNotOptimize(base::hash_key(key));
    }
    count_items(state);
}
BENCHMARK(hash)->Apply(fix_iterations);

void lock_and_unlock(benchmark::State& state) {
    static store::ShardLock lock;
    for (auto _ : state) {
        lock.lock();
        benchmark::ClobberMemory();
        lock.unlock();
    }
    count_items(state);
}
BENCHMARK(lock_and_unlock)->Apply(fix_iterations);
BENCHMARK(lock_and_unlock)->Threads(2)->UseRealTime();

void compose_value(benchmark::State& state) {
    std::string text;
    for (auto _ : state) {
        text.clear();
        for (int i = 0; i < 16; ++i) protocol::append_value(text, kGet.substr(4, 24), 0, kValue);
        benchmark::DoNotOptimize(text.data());
    }
    count_items(state, 16);
}
BENCHMARK(compose_value)->Apply(fix_iterations);

/// One reactor's executor over a store of `keys` items, and turns of requests for it.
class Turns {
 public:
    Turns(std::size_t keys, std::size_t per_turn, bool sets, std::uint32_t reactors)
        : config_(config(reactors)),
          requests_(per_turn),
          line_count_(std::min(kLinesMax, keys * 8)) {
        for (std::size_t key = 0; key < keys; ++key) run_one(set_line(key));
        std::mt19937_64 random{1};
        for (std::size_t i = 0; i < line_count_; ++i) {
            lines_ += sets ? set_line(random() % keys) : get_line(random() % keys);
        }
        line_bytes_ = lines_.size() / line_count_;
    }

    /// Executes the next turn, parsing included.
    void run() {
        operations_.clear();
        for (protocol::Request& request : requests_) {
            const auto line =
                std::string_view(lines_).substr(next_++ % line_count_ * line_bytes_, line_bytes_);
            benchmark::DoNotOptimize(protocol::parse(protocol::Dialect::Text, line, request));
            operations_.push_back(operation_of(request));
        }
        replies_.clear();
        executor_.execute(operations_, replies_);
    }
    std::size_t reply_bytes() const noexcept { return replies_.text.size(); }

 private:
    static constexpr std::size_t kLinesMax = 1 << 18;  // their items are more than caches hold

    static config::Config config(std::uint32_t reactors) {
        config::Config config;
        config.reactors = reactors;
        config.memory_limit = std::max(std::uint64_t{1} << 30, std::uint64_t{reactors} << 27);
        return config;
    }
    static std::string set_line(std::size_t key) {
        return fmt::format("set key:{:020} 0 0 100\r\n{}\r\n", key, kValue);
    }
    static std::string get_line(std::size_t key) { return fmt::format("get key:{:020}\r\n", key); }
    static net::Operation operation_of(const protocol::Request& request) {
        net::Operation operation{};
        operation.request = &request;
        operation.key = request.key;
        operation.last_of_request = true;
        return operation;
    }
    void run_one(const std::string& line) {
        benchmark::DoNotOptimize(protocol::parse(protocol::Dialect::Text, line, requests_[0]));
        std::vector<net::Operation> one{operation_of(requests_[0])};
        replies_.clear();
        executor_.execute(one, replies_);
        SHARDMILL_ASSERT(replies_.text == protocol::replies::kStored);
        executor_.housekeep();
    }

    config::Config config_;
    engine::Engine engine_{config_};
    net::Executor& executor_ = *engine_.executors().front();
    std::vector<protocol::Request> requests_;
    std::string lines_;  // all of the same length
    std::size_t line_count_;
    std::size_t line_bytes_;
    std::vector<net::Operation> operations_;
    net::ReplyArena replies_;
    std::size_t next_ = 0;
};

void turn(benchmark::State& state, bool sets, std::uint32_t reactors) {
    const auto per_turn = static_cast<std::size_t>(state.range(1));
    Turns turns(static_cast<std::size_t>(state.range(0)), per_turn, sets, reactors);
    for (auto _ : state) turns.run();
    SHARDMILL_ASSERT(turns.reply_bytes() >= per_turn * 8);
    count_items(state, state.range(1));
}
BENCHMARK_CAPTURE(turn, get, false, 1)
    ->Args({1000, 1})
    ->Args({1000, 16})
    ->Args({1000, 256})
    ->Args({1'000'000, 1})
    ->Args({1'000'000, 16})
    ->Args({1'000'000, 256})
    ->Apply(fix_iterations);
BENCHMARK_CAPTURE(turn, set, true, 1)
    ->Args({1000, 16})
    ->Args({1'000'000, 16})
    ->Apply(fix_iterations);
/// As many shards as 128 reactors have.
BENCHMARK_CAPTURE(turn, get_many_shards, false, 128)
    ->Args({1000, 1})
    ->Args({1000, 16})
    ->Apply(fix_iterations);

}  // namespace
}  // namespace shardmill

BENCHMARK_MAIN();
