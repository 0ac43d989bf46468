#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "bench/cpu_time.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/worker.h"
#include "bench/workload.h"

namespace shardmill::bench {
namespace {

using Workers = std::vector<std::unique_ptr<Worker>>;

constexpr int kExitFailed = 1;
// Storing the keys beforehand is pipelined whatever the load is, within these limits.
constexpr unsigned kPrefillDepth = 32;
constexpr std::size_t kPrefillBytes = 256 * 1024;

Workers make_workers(const Options& options, const Workload& workload) {
    Workers workers;
    unsigned lane = 0;
    for (unsigned i = 0; i < options.threads; ++i) {
        const unsigned share =
            options.connections / options.threads + (i < options.connections % options.threads);
        workers.push_back(std::make_unique<Worker>(options, workload, lane, share));
        lane += share;
    }
    return workers;
}

/// Runs one phase on all workers at once.
std::vector<PhaseResult> run_all(const Workers& workers, const std::vector<Phase>& phases) {
    std::vector<PhaseResult> results(workers.size());
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < workers.size(); ++i) {
            threads.emplace_back([&, i] { results[i] = workers[i]->run(phases[i]); });
        }
    }
    return results;
}

std::uint64_t share_of(std::uint64_t total, std::uint64_t index, std::uint64_t parts) {
    return total / parts + (index < total % parts ? 1 : 0);
}

std::vector<Phase> prefill_phases(const Options& options) {
    std::vector<Phase> phases;
    std::uint64_t first = 0;
    const auto fitting = kPrefillBytes / std::max<std::size_t>(options.value_size.high, 1);
    const auto depth =
        std::max(options.pipeline,
                 static_cast<unsigned>(std::clamp<std::size_t>(fitting, 1, kPrefillDepth)));
    for (unsigned i = 0; i < options.threads; ++i) {
        Phase phase{Phase::Kind::Prefill};
        phase.depth = depth;
        phase.first_key = first;
        phase.requests = share_of(options.keys, i, options.threads);
        first += phase.requests;
        // A thread without keys has nothing to do: it stops at once.
        if (phase.requests == 0) phase.stop_ns = 1;
        phases.push_back(phase);
    }
    return phases;
}

std::vector<Phase> load_phases(const Options& options, double seconds, std::uint64_t requests) {
    std::vector<Phase> phases;
    const std::uint64_t start = now_ns();
    for (unsigned i = 0; i < options.threads; ++i) {
        Phase phase{Phase::Kind::Load};
        phase.depth = options.pipeline;
        phase.start_ns = start;
        if (requests == 0) {
            phase.stop_ns = start + static_cast<std::uint64_t>(seconds * 1e9);
        } else {
            phase.requests = share_of(requests, i, options.threads);
            if (phase.requests == 0) phase.stop_ns = 1;
        }
        if (options.rate > 0) {
            phase.interval_ns = 1e9 * options.threads / options.rate;
            phase.start_ns += static_cast<std::uint64_t>(phase.interval_ns * i / options.threads);
        }
        phases.push_back(phase);
    }
    return phases;
}

Report summarise(const std::vector<PhaseResult>& results) {
    Report report;
    std::uint64_t first = UINT64_MAX;
    std::uint64_t last = 0;
    for (const auto& result : results) {
        report.total.merge(result.counters);
        first = std::min(first, result.first_ns);
        last = std::max(last, result.last_ns);
        report.client_cpu_s += static_cast<double>(result.cpu_ns) / 1e9;
        if (result.last_ns > result.first_ns) {
            report.busiest_thread = std::max(
                report.busiest_thread, static_cast<double>(result.cpu_ns) /
                                           static_cast<double>(result.last_ns - result.first_ns));
        }
        if (!result.failure.empty()) report.failures.push_back(result.failure);
    }
    report.seconds = static_cast<double>(last - first) / 1e9;
    return report;
}

/// Runs the phases and takes the server's CPU time around them.
Report measure(const Workers& workers, const std::vector<Phase>& phases, int server_pid) {
    const auto before = server_pid > 0 ? process_cpu_ns(server_pid) : std::nullopt;
    Report report = summarise(run_all(workers, phases));
    const auto after = server_pid > 0 ? process_cpu_ns(server_pid) : std::nullopt;
    if (before && after) report.server_cpu_s = static_cast<double>(*after - *before) / 1e9;
    if (server_pid > 0 && !report.server_cpu_s) {
        report.failures.push_back(fmt::format("there is no process {} (--server-pid)", server_pid));
    }
    return report;
}

int finish(const Report& report, const Options& options) {
    fmt::print("{}", options.json ? to_json(report, options) : to_table(report, options));
    return report.ok() ? 0 : kExitFailed;
}

int run(const Options& options) {
    const Workload workload(options);
    const Workers workers = make_workers(options, workload);
    if (options.prefill) {
        const Report filled = measure(workers, prefill_phases(options), options.server_pid);
        if (options.prefill_only || !filled.ok()) return finish(filled, options);
        if (!options.json) {
            fmt::print("stored {} keys in {:.2f} s\n", filled.total.sets, filled.seconds);
        }
    }
    if (options.warmup_s > 0) {
        const Report warm = measure(workers, load_phases(options, options.warmup_s, 0), 0);
        if (!warm.failures.empty()) return finish(warm, options);
    }
    return finish(measure(workers, load_phases(options, options.duration_s, options.requests),
                          options.server_pid),
                  options);
}

}  // namespace
}  // namespace shardmill::bench

int main(int argc, char** argv) {
    shardmill::bench::Options options;
    int exit_code = 0;
    if (!shardmill::bench::parse_options(argc, argv, options, exit_code)) return exit_code;
    try {
        return shardmill::bench::run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "shardmill-bench: {}\n", error.what());
        return shardmill::bench::kExitFailed;
    }
}
