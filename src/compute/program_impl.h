#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "compute/acting_kernels.h"
#include "compute/condition.h"
#include "compute/glob.h"
#include "compute/group_reducer.h"
#include "compute/kernel_reducer.h"
#include "compute/path_set.h"
#include "compute/pattern.h"
#include "compute/program.h"
#include "compute/row_table.h"

namespace shardmill::compute {

/// What decides whether a key is part of a sample: the same on every server. Not the hash that
/// spreads keys over shards, or a sample would be taken from a few of them.
inline std::uint64_t sample_hash(std::string_view key) noexcept {
    constexpr std::uint64_t kSeed = 0x73616d706c65;
    return base::checksum(key.data(), key.size(), kSeed);
}

/// What a pipeline was compiled into.
struct Program::Impl {
    std::string text;
    std::uint64_t fingerprint = 0;  // of text and selection: whose partials can be merged
    std::vector<std::string> columns;
    std::vector<bool> lists;  // of the columns those with several values; empty: none
    Touches touches = Touches::Header;

    // Filters, in the order in which they are applied.
    std::vector<std::string> prefixes;
    std::optional<std::uint64_t> sample;  // of the 2^64 values of sample_hash those below
    std::vector<Glob> globs;
    std::vector<Pattern> patterns;
    std::vector<Condition> plain_conditions;  // of all but fields, the cheapest first
    std::vector<Condition> field_conditions;

    PathSet paths;
    std::optional<GroupPlan> groups;     // either this
    std::unique_ptr<KernelPlan> kernel;  // or that
    std::optional<Action> action;        // of the kernel

    std::optional<Condition> having;  // over the row's columns, its key and the key's parts
    std::size_t row_parts = 0;        // of the key, where there are several
    std::vector<RowOrder> order;
    bool ordered_by_kernel = false;
    std::optional<std::uint64_t> limit;

    bool filters_keys() const noexcept {
        return !prefixes.empty() || sample || !globs.empty() || !patterns.empty();
    }
    bool key_passes(std::string_view key) const noexcept {
        for (const std::string& prefix : prefixes) {
            if (!key.starts_with(prefix)) return false;
        }
        if (sample && sample_hash(key) >= *sample) return false;
        for (const Glob& glob : globs) {
            if (!glob.matches(key)) return false;
        }
        for (const Pattern& pattern : patterns) {
            if (!pattern.found_in(key)) return false;
        }
        return true;
    }
};

}  // namespace shardmill::compute
