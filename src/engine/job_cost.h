#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/job.h"

namespace shardmill::engine {

/// What it takes to get an item to a client of this machine.
struct TransferCost {
    double item_ns = 0;
    double byte_ns = 0;  // of keys and values

    double ns(std::uint64_t items, std::uint64_t bytes) const noexcept {
        return item_ns * static_cast<double>(items) + byte_ns * static_cast<double>(bytes);
    }
};

/// Measured at the first call, in about ten milliseconds: replies of get are composed, moved
/// through a pair of local sockets 64 KiB at a time, and parsed, on one core. Looking the items up
/// and a network between the two come on top, so it is the least that reading out can cost. Worker
/// threads only: it blocks.
const TransferCost& transfer_cost();

/// The cost of a job by what it has done and how long it took. Worker thread.
JobCost measured_cost(const JobFigures& figures, double cpu_ns, double took_ns);

/// Fills in what reading out costs, from the terms that are there and the items a client would have
/// to read. Worker thread.
void add_ship_out(JobCost& cost, std::uint64_t selected, std::uint64_t selected_bytes,
                  std::uint64_t result_bytes);

/// For manifests: a line, and back. Unreadable ones are nullopt.
std::string cost_text(const JobCost& cost);
std::optional<JobCost> parse_cost(std::string_view text);

}  // namespace shardmill::engine
