#include "bench/random.h"

#include <cmath>

namespace shardmill::bench {

namespace {

/// (exp(x) - 1) / x, also near zero.
double expm1_over_x(double x) noexcept {
    return std::fabs(x) > 1e-8 ? std::expm1(x) / x : 1.0 + x * 0.5 * (1.0 + x / 3.0);
}

/// log(1 + x) / x, also near zero.
double log1p_over_x(double x) noexcept {
    return std::fabs(x) > 1e-8 ? std::log1p(x) / x : 1.0 - x * (0.5 - x / 3.0);
}

}  // namespace

Zipf::Zipf(std::uint64_t n, double theta) noexcept
    : n_(n),
      theta_(theta),
      h_integral_x1_(h_integral(1.5) - 1.0),
      h_integral_n_(h_integral(static_cast<double>(n) + 0.5)),
      squeeze_(2.0 - h_integral_inverse(h_integral(2.5) - h(2.0))) {}

double Zipf::h(double x) const noexcept { return std::exp(-theta_ * std::log(x)); }

double Zipf::h_integral(double x) const noexcept {
    const double log_x = std::log(x);
    return expm1_over_x((1.0 - theta_) * log_x) * log_x;
}

double Zipf::h_integral_inverse(double x) const noexcept {
    double t = x * (1.0 - theta_);
    if (t < -1.0) t = -1.0;
    return std::exp(log1p_over_x(t) * x);
}

std::uint64_t Zipf::sample(Random& random) const noexcept {
    for (;;) {
        const double u = h_integral_n_ + random.unit() * (h_integral_x1_ - h_integral_n_);
        const double x = h_integral_inverse(u);
        double rounded = std::floor(x + 0.5);
        if (rounded < 1.0) rounded = 1.0;
        if (rounded > static_cast<double>(n_)) rounded = static_cast<double>(n_);
        if (rounded - x <= squeeze_ || u >= h_integral(rounded + 0.5) - h(rounded)) {
            return static_cast<std::uint64_t>(rounded);
        }
    }
}

}  // namespace shardmill::bench
