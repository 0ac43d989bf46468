#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/stats_totals.h"

namespace shardmill::engine {

/// A line of a report: its name, how its value follows from the totals, and whether there is such a
/// line at all (nullptr: always).
struct StatLine {
    std::string_view name;
    std::string (*value)(const StatTotals&);
    bool (*shown)(const StatTotals&) = nullptr;

    bool is_shown(const StatTotals& totals) const { return shown == nullptr || shown(totals); }
};

/// Plain `stats`: memcached's names in memcached's order, then shardmill's own. Names that stand
/// for machinery which does not exist here (slab pages, LRU lists) stay, for the tools that expect
/// them, and are 0. As in a memcached without an `ext_path`, there are none of extstore.
std::span<const StatLine> general_lines() noexcept;

/// `stats items`; all items are one class. The names lack their `items:1:`.
std::span<const StatLine> item_lines() noexcept;

/// The lines of the one class of `stats slabs`, where a page is a segment. The names lack their
/// `1:`.
std::span<const StatLine> slab_lines() noexcept;

}  // namespace shardmill::engine
