#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/stats_totals.h"

namespace shardmill::engine {

/// A line of a report: its name and how its value follows from the totals.
struct StatLine {
    std::string_view name;
    std::string (*value)(const StatTotals&);
};

/// Plain `stats`: memcached's names in memcached's order, then shardmill's own. Names that stand
/// for machinery which does not exist here (slab pages, LRU crawler, logger) stay, for the tools
/// that expect them, and are 0.
std::span<const StatLine> general_lines() noexcept;

/// `stats items`; all items are one class. The names lack their `items:1:`.
std::span<const StatLine> item_lines() noexcept;

/// The lines of the one class of `stats slabs`, where a page is a segment. The names lack their
/// `1:`.
std::span<const StatLine> slab_lines() noexcept;

}  // namespace shardmill::engine
