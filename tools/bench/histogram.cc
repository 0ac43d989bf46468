#include "bench/histogram.h"

#include <algorithm>
#include <cmath>

namespace shardmill::bench {

std::uint64_t Histogram::quantile_ns(double fraction) const noexcept {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(
        std::max(1.0, std::ceil(fraction * static_cast<double>(total_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
        seen += counts_[i];
        if (seen >= wanted) return std::min(upper_edge(i), max_);
    }
    return max_;
}

}  // namespace shardmill::bench
