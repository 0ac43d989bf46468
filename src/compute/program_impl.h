#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compute/acting_kernels.h"
#include "compute/condition.h"
#include "compute/glob.h"
#include "compute/group_reducer.h"
#include "compute/kernel_reducer.h"
#include "compute/path_set.h"
#include "compute/program.h"
#include "compute/row_table.h"

namespace shardmill::compute {

/// What a pipeline was compiled into.
struct Program::Impl {
    std::string text;
    std::uint64_t fingerprint = 0;  // of text and selection: whose partials can be merged
    std::vector<std::string> columns;
    Touches touches = Touches::Header;

    // Filters, in the order in which they are applied.
    std::vector<std::string> prefixes;
    std::vector<Glob> globs;
    std::vector<Condition> plain_conditions;  // of all but fields, the cheapest first
    std::vector<Condition> field_conditions;

    PathSet paths;
    std::optional<GroupPlan> groups;     // either this
    std::unique_ptr<KernelPlan> kernel;  // or that
    std::optional<Action> action;        // of the kernel

    RowOrder order;
    std::optional<std::uint64_t> limit;

    bool key_passes(std::string_view key) const noexcept {
        for (const std::string& prefix : prefixes) {
            if (!key.starts_with(prefix)) return false;
        }
        for (const Glob& glob : globs) {
            if (!glob.matches(key)) return false;
        }
        return true;
    }
};

}  // namespace shardmill::compute
