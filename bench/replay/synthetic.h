#pragma once

#include <cstdint>
#include <vector>

#include "bench/random.h"
#include "replay/trace.h"

namespace shardmill::bench {

/// A made-up trace.
struct SyntheticOptions {
    std::uint64_t requests = 10'000'000;
    std::uint64_t keys = 1'000'000;
    double theta = 0.99;              // Zipf's exponent; 0: every key alike
    double set_share = 0;             // of requests, besides the sets on a miss
    double size_median = 230;         // of values, log-normal; bytes
    double size_sigma = 1.0;          // of the logarithm; 0: all the same
    bool resize = false;              // every set draws a new size, else a key keeps its
    std::uint64_t rate = 10'000;      // requests per second of the trace's clock
    std::vector<std::uint32_t> ttls;  // seconds, one per key by chance; 0: none
    std::uint64_t seed = 1;
};

/// Draws requests; the same options give the same trace. One thread.
class SyntheticTrace final : public TraceSource {
 public:
    explicit SyntheticTrace(const SyntheticOptions& options);
    std::expected<bool, std::string> next(TraceRequest& request) override;

 private:
    std::uint32_t size_of(std::uint64_t draw) const;

    const SyntheticOptions options_;
    Random random_;
    Zipf zipf_;
    std::uint64_t made_ = 0;
};

}  // namespace shardmill::bench
