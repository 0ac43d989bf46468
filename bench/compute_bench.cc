// How fast one core maps items: figures for the targets of the pipeline engine. Every benchmark
// prints a checksum, so that a change that computes something else is seen.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "compute/program.h"
#include "store/cut.h"

namespace {

using namespace shardmill;

constexpr std::size_t kSegmentBytes = 1u << 20;
constexpr std::uint32_t kNow = 1'000'000;

/// Segments as a shard's log has them: more than any cache holds.
class Log {
 public:
    void add(const std::string& key, const std::string& value) {
        const std::size_t bytes = store::round_item(4 + key.size() + value.size());
        if (segments_.empty() || segments_.back().bytes + bytes > kSegmentBytes) {
            memory_.push_back(std::make_unique<char[]>(kSegmentBytes));
            segments_.push_back({});
            segments_.back().data = memory_.back().get();
        }
        store::PinnedSegment& segment = segments_.back();
        char* const at = memory_.back().get() + segment.bytes;
        const auto word =
            static_cast<std::uint32_t>(key.size() | value.size() << store::ItemHeader::kValueShift);
        std::memcpy(at, &word, sizeof word);
        std::memcpy(at + 4, key.data(), key.size());
        std::memcpy(at + 4 + key.size(), value.data(), value.size());
        segment.bytes += static_cast<std::uint32_t>(bytes);
        ++items_;
        value_bytes_ += value.size();
    }
    const std::vector<store::PinnedSegment>& segments() const { return segments_; }
    std::size_t items() const { return items_; }
    std::size_t value_bytes() const { return value_bytes_; }

 private:
    std::vector<std::unique_ptr<char[]>> memory_;
    std::vector<store::PinnedSegment> segments_;
    std::size_t items_ = 0;
    std::size_t value_bytes_ = 0;
};

Log make_log(std::size_t items, const std::function<std::string(std::size_t)>& value) {
    Log log;
    for (std::size_t item = 0; item < items; ++item)
        log.add(fmt::format("key:{:020}", item), value(item));
    return log;
}

const Log& plain_log() {
    static const Log log = make_log(2'000'000, [](std::size_t) { return std::string(100, 'x'); });
    return log;
}

const Log& text_log() {
    static const Log log = make_log(100'000, [](std::size_t item) {
        std::mt19937_64 random(item);
        std::string text;
        while (text.size() < 1000) text += fmt::format("word{} ", random() % 5000);
        return text;
    });
    return log;
}

const Log& json_log() {
    static const Log log = make_log(500'000, [](std::size_t item) {
        std::mt19937_64 random(item);
        return fmt::format(
            R"({{"id":{},"country":"c{}","name":"customer number {}","tags":["a","b"],"amount":{},"note":"{}"}})",
            item, random() % 50, random() % 100000, random() % 100, std::string(80, 'n'));
    });
    return log;
}

/// 1 KiB of which the fields asked for are at the start.
const Log& long_json_log() {
    static const Log log = make_log(200'000, [](std::size_t item) {
        std::mt19937_64 random(item);
        std::string json = fmt::format(R"({{"id":{},"country":"C{}","amount":{},"ok":true,"text":")",
                                       item, random() % 50, random() % 1000);
        while (json.size() < 1010) json += fmt::format("word{} ", random() % 5000);
        return json + "\"}";
    });
    return log;
}

/// A number below 100,000 in each value.
const Log& number_log() {
    static const Log log = make_log(1'000'000, [](std::size_t item) {
        return std::to_string(std::mt19937_64(item)() % 100'000);
    });
    return log;
}

void run(benchmark::State& state, const Log& log, const char* pipeline) {
    const compute::Registry registry = compute::Registry::with_builtins();
    const auto program = compute::compile(pipeline, registry);
    if (!program) return state.SkipWithError(program.error().text().c_str());
    const std::atomic<bool> stop{false};
    std::uint64_t checksum = 0;
    for (auto _ : state) {
        auto partial = compute::Partial::start(
            *program, std::make_shared<compute::JobBudget>(compute::JobLimits{}));
        for (const store::PinnedSegment& segment : log.segments()) {
            if (!partial->map(segment, kNow, stop)) return state.SkipWithError("map failed");
        }
        const auto result = partial->finish();
        if (!result) return state.SkipWithError(result.error().message.c_str());
        checksum = result->counters.matched;
        for (const compute::Row& row : result->rows)
            checksum ^= base::hash_key(row.key) + base::hash_key(row.value);
    }
    const auto rounds = static_cast<double>(state.iterations());
    state.counters["items/s"] =
        benchmark::Counter(rounds * static_cast<double>(log.items()), benchmark::Counter::kIsRate);
    state.counters["value_bytes/s"] = benchmark::Counter(
        rounds * static_cast<double>(log.value_bytes()), benchmark::Counter::kIsRate);
    state.SetLabel(fmt::format("checksum={:016x}", checksum));
}

void walk(benchmark::State& state) {
    const Log& log = plain_log();
    std::uint64_t sum = 0;
    for (auto _ : state) {
        for (const store::PinnedSegment& segment : log.segments()) {
            store::visit_items(segment, kNow,
                               [&sum](const store::ItemView& item) { sum += item.value.size(); });
        }
        benchmark::DoNotOptimize(sum);
    }
    state.counters["items/s"] = benchmark::Counter(
        static_cast<double>(state.iterations()) * static_cast<double>(plain_log().items()),
        benchmark::Counter::kIsRate);
}

/// What the core reads from memory in order: the yardstick for kernels that read every byte.
void read_memory(benchmark::State& state) {
    const Log& log = text_log();
    std::uint64_t sum = 0;
    for (auto _ : state) {
        for (const store::PinnedSegment& segment : log.segments()) {
            for (std::uint32_t at = 0; at + 8 <= segment.bytes; at += 8) {
                std::uint64_t word;
                std::memcpy(&word, segment.data + at, 8);
                sum += word;
            }
        }
        benchmark::DoNotOptimize(sum);
    }
    state.counters["value_bytes/s"] = benchmark::Counter(
        static_cast<double>(state.iterations()) * static_cast<double>(text_log().value_bytes()),
        benchmark::Counter::kIsRate);
}

BENCHMARK(walk)->Unit(benchmark::kMillisecond);
BENCHMARK(read_memory)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, count, plain_log(), "agg:count")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, count_and_sum, plain_log(), "agg:count,sum(size)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, where_size, plain_log(), "where:size>99&flags=0|agg:count,sum(size)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, prefix, plain_log(), "prefix:key:0000|agg:count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, prefix_no_match, plain_log(), "prefix:none:|agg:count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, regex_on_key, plain_log(), "re:9$|agg:count")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, sample, plain_log(), "sample:0.01|agg:count")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, groups_100k, number_log(), "by:value|agg:count,sum(value)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, quantiles, number_log(), "agg:p50(value),p99(value)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, hll, number_log(), "agg:hll(value)")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, by_time, number_log(), "by:time(value,1h)|agg:count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, by_size_bucket, plain_log(), "by:bucket(size,64)|agg:count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, json_group, json_log(),
                  "where:$.amount>10|by:$.country|agg:sum($.amount),count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, json_first_fields, long_json_log(),
                  "where:$.amount>10|by:$.country|agg:count,sum($.amount)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, json_missing_field, long_json_log(), "agg:count($.none)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, count_long, long_json_log(), "agg:count")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, json_last_field, json_log(), "by:bucket(size,1000)|agg:max($.note)")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, topk, json_log(), "topk:10,$.amount")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, wordcount, text_log(), "wordcount")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, regex_no_match, text_log(), "where:value~'word99999[0-9]'|agg:count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, regex_match, text_log(), "where:value~'word1[0-9]* word2'|agg:count")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, field_of_text, text_log(), "agg:count(text(\\s,100))")
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
