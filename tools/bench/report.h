#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/connection.h"
#include "bench/options.h"

namespace shardmill::bench {

/// What a measured run came to.
struct Report {
    Counters total;
    double seconds = 0;
    double client_cpu_s = 0;
    double busiest_thread = 0;  // share of a core the busiest thread used, 0..1
    std::optional<double> server_cpu_s;
    std::vector<std::string> failures;

    bool ok() const noexcept {
        return failures.empty() && total.errors == 0 && total.wrong == 0 && total.requests() > 0;
    }
    /// The busiest thread of the load generator had no time left: the server could have done more.
    bool generator_is_the_limit() const noexcept { return busiest_thread > 0.95; }
};

std::string to_table(const Report& report, const Options& options);
std::string to_json(const Report& report, const Options& options);

}  // namespace shardmill::bench
