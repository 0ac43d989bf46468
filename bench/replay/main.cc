// Replays a trace against a cache: a get that misses is followed by a set. Prints what it saw as
// one line of JSON.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <unordered_set>
#include <vector>

#include "replay/cache.h"
#include "replay/synthetic.h"

namespace shardmill::bench {
namespace {

constexpr std::size_t kPipeline = 32;

/// Requests that may be under way together: none of them on the same object.
class Window {
 public:
    bool takes(const TraceRequest& request) const {
        return requests_.size() < kPipeline && !ids_.contains(request.id);
    }
    void add(const TraceRequest& request) {
        requests_.push_back(request);
        ids_.insert(request.id);
    }
    void clear() {
        requests_.clear();
        ids_.clear();
    }
    std::span<const TraceRequest> requests() const { return requests_; }

 private:
    std::vector<TraceRequest> requests_;
    std::unordered_set<std::uint64_t> ids_;
};

ReplayCounts replay(TraceSource& trace, ReplayCache& cache, std::uint64_t requests_max) {
    ReplayCounts counts;
    Window window;
    TraceRequest request;
    for (std::uint64_t number = 0; number < requests_max; ++number) {
        const auto more = trace.next(request);
        if (!more) throw std::runtime_error(more.error());
        if (!*more) break;
        if (!window.takes(request)) {
            cache.replay(window.requests(), counts);
            window.clear();
        }
        window.add(request);
    }
    cache.replay(window.requests(), counts);
    return counts;
}

void add_synthetic_options(CLI::App& app, SyntheticOptions& options) {
    const auto add = [&app](const char* name, auto& value, const char* help) {
        app.add_option(name, value, help)->capture_default_str()->group("Made-up traces");
    };
    add("--made-requests", options.requests, "number of requests");
    add("--keys", options.keys, "number of keys");
    add("--theta", options.theta, "exponent of the Zipf distribution; 0: uniform");
    add("--set-share", options.set_share, "share of requests that are sets, 0 to 1");
    add("--size-median", options.size_median, "bytes of a value, log-normal");
    add("--size-sigma", options.size_sigma, "sigma of the logarithm");
    add("--rate", options.rate, "requests per second of the trace's clock");
    add("--ttl", options.ttls, "seconds, one of these per key; 0: none");
    add("--seed", options.seed, "another one, another trace");
    app.add_flag("--resize", options.resize, "every set draws a size of its own")
        ->group("Made-up traces");
}

std::unique_ptr<TraceSource> open_trace(const std::string& path, const SyntheticOptions& made_up) {
    if (path.empty()) return std::make_unique<SyntheticTrace>(made_up);
    auto reader = TraceReader::open(path);
    if (!reader) throw std::runtime_error(reader.error());
    return std::make_unique<TraceReader>(std::move(*reader));
}

int run(int argc, char** argv) {
    CLI::App app("Replays a trace against a server on 127.0.0.1 or against the store itself.");
    std::string path;
    std::uint16_t port = 0;
    std::uint64_t megabytes = 64;
    std::uint64_t item_megabytes = 1;
    std::uint64_t requests_max = UINT64_MAX;
    DirectOptions direct;
    app.add_option("trace", path,
                   "time_s,id,value_bytes,ttl_s,op, a request a line; may be .zst; none: made up");
    app.add_option("--port", port, "replay against the server at this port; else in process");
    app.add_option("-m,--memory", megabytes, "in process: memory in megabytes")
        ->capture_default_str();
    app.add_option("-I,--max-item", item_megabytes, "in process: largest item in megabytes")
        ->capture_default_str();
    app.add_option("--shards", direct.shards, "in process: number of shards");
    app.add_option("--requests", requests_max, "stop after so many");
    app.add_option("--hit-weight", direct.hit_weight, "in process: 0 hits count, 1 bytes hit");
    SyntheticOptions made_up;
    add_synthetic_options(app, made_up);
    CLI11_PARSE(app, argc, argv);

    direct.memory_limit = megabytes << 20;
    direct.item_bytes_max = item_megabytes << 20;
    const auto trace = open_trace(path, made_up);
    const auto cache = port != 0 ? open_server(port) : open_direct(direct);
    const ReplayCounts counts = replay(*trace, *cache, requests_max);
    fmt::print(
        "{{\"gets\":{},\"misses\":{},\"miss_ratio\":{:.5f},\"refused\":{},\"inserted_bytes\":{},"
        "\"cache\":\"{}\"}}\n",
        counts.gets, counts.misses,
        counts.gets == 0 ? 0.0
                         : static_cast<double>(counts.misses) / static_cast<double>(counts.gets),
        counts.refused, counts.inserted_bytes, cache->describe());
    return 0;
}

}  // namespace
}  // namespace shardmill::bench

int main(int argc, char** argv) {
    try {
        return shardmill::bench::run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "trace_replay: {}\n", error.what());
        return 1;
    }
}
