#pragma once

#include <cstdint>

namespace shardmill::bench {

/// Mixes a number into 64 evenly spread bits (the finaliser of splitmix64).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/// A small, fast generator with a seed (splitmix64): the same seed gives the same load.
class Random {
 public:
    explicit Random(std::uint64_t seed) noexcept : state_(mix(seed)) {}

    std::uint64_t next() noexcept {
        const std::uint64_t out = mix(state_);
        state_ += 0x9e3779b97f4a7c15ULL;
        return out;
    }
    /// Evenly from [0, bound); bound > 0. The bias is below bound / 2^64.
    std::uint64_t below(std::uint64_t bound) noexcept {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((Wide{next()} * bound) >> 64);
    }
    /// Evenly from [0, 1).
    double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
    std::uint64_t state_;
};

/// Ranks 1..n with probability proportional to 1 / rank^theta, any theta > 0, in constant time and
/// memory (rejection inversion, Hoermann and Derflinger 1996).
class Zipf {
 public:
    Zipf(std::uint64_t n, double theta) noexcept;
    std::uint64_t sample(Random& random) const noexcept;

 private:
    double h(double x) const noexcept;
    double h_integral(double x) const noexcept;
    double h_integral_inverse(double x) const noexcept;

    std::uint64_t n_;
    double theta_;
    double h_integral_x1_;
    double h_integral_n_;
    double squeeze_;
};

}  // namespace shardmill::bench
