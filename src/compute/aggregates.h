#pragma once

#include <memory>

#include "compute/accumulator.h"

namespace shardmill::compute {

/// The accumulator that an aggregate needs. Adds the paths of its operands to `paths`.
std::unique_ptr<Accumulator> make_accumulator(const ast::Aggregate& aggregate, PathSet& paths);

/// Aggregates with the same text of this are known to the same accumulator: sum and avg of an
/// expression, all its quantiles.
std::string accumulator_key(const ast::Aggregate& aggregate);

// One for each family; the kind of the aggregate is one of theirs.

/// count, count(e)
std::unique_ptr<Accumulator> make_count(const ast::Aggregate& aggregate, PathSet& paths);
/// sum, avg: integers exactly in 128 bits, doubles with compensation.
std::unique_ptr<Accumulator> make_sum(const ast::Aggregate& aggregate, PathSet& paths);
/// var, stddev: of a sample (n - 1), by Chan, Golub and LeVeque's pairwise update.
std::unique_ptr<Accumulator> make_moments(const ast::Aggregate& aggregate, PathSet& paths);
/// min, max: by total_order.
std::unique_ptr<Accumulator> make_extreme(const ast::Aggregate& aggregate, PathSet& paths);
/// first, last: the first operand where the second is smallest, largest; of several such the
/// smallest, largest.
std::unique_ptr<Accumulator> make_chosen(const ast::Aggregate& aggregate, PathSet& paths);
/// quantile: counts in log-linear buckets, 64 for each power of two, as HdrHistogram does it; what
/// is given is within 1/128 of a value of that rank.
std::unique_ptr<Accumulator> make_quantile(const ast::Aggregate& aggregate, PathSet& paths);
/// distinct: all values.
std::unique_ptr<Accumulator> make_distinct(const ast::Aggregate& aggregate, PathSet& paths);
/// hll: exact up to 1024 values, then HyperLogLog with 2^14 registers, a standard error of 0.81 %;
/// the estimator is Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches").
std::unique_ptr<Accumulator> make_hll(const ast::Aggregate& aggregate, PathSet& paths);
/// histogram: counts by bucket.
std::unique_ptr<Accumulator> make_histogram(const ast::Aggregate& aggregate, PathSet& paths);
/// heavy: Misra and Gries' counters, merged as in "Mergeable Summaries" (Agarwal et al.).
std::unique_ptr<Accumulator> make_heavy(const ast::Aggregate& aggregate, PathSet& paths);
/// topk: a heap.
std::unique_ptr<Accumulator> make_top(const ast::Aggregate& aggregate, PathSet& paths);

}  // namespace shardmill::compute
