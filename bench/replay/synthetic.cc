#include "replay/synthetic.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace shardmill::bench {
namespace {

constexpr double kSizeMax = 900'000;  // bytes: an item of the default size limit

}  // namespace

SyntheticTrace::SyntheticTrace(const SyntheticOptions& options)
    : options_(options),
      random_(options.seed),
      zipf_(options.keys, options.theta > 0 ? options.theta : 1) {}

/// Log-normal by Box and Muller, from one draw of 64 bits.
std::uint32_t SyntheticTrace::size_of(std::uint64_t draw) const {
    Random random(draw);
    const double radius = std::sqrt(-2 * std::log(1 - random.unit()));
    const double normal = radius * std::cos(2 * std::numbers::pi * random.unit());
    const double bytes = options_.size_median * std::exp(options_.size_sigma * normal);
    return static_cast<std::uint32_t>(std::clamp(bytes, 1.0, kSizeMax));
}

std::expected<bool, std::string> SyntheticTrace::next(TraceRequest& request) {
    if (made_ == options_.requests) return false;
    const std::uint64_t rank =
        options_.theta > 0 ? zipf_.sample(random_) - 1 : random_.below(options_.keys);
    request.time_s = static_cast<std::uint32_t>(made_++ / options_.rate);
    request.id = rank;
    request.op =
        random_.unit() < options_.set_share ? TraceRequest::Op::Set : TraceRequest::Op::Get;
    request.value_bytes = size_of(options_.resize ? random_.next() : mix(rank + options_.seed));
    request.ttl_s = options_.ttls.empty() ? 0 : options_.ttls[mix(rank) % options_.ttls.size()];
    return true;
}

}  // namespace shardmill::bench
