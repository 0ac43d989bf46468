#pragma once

#include <memory>
#include <span>
#include <string>

#include "compute/program.h"
#include "kernel/items.h"

namespace shardmill::kernel_check {

/// What is checked: a kernel with its arguments, and the items it is given.
struct Subject {
    std::shared_ptr<const compute::Program> program;
    const compute::Registry* registry = nullptr;
    std::string kernel;                  // its name
    const StoredItems* parts[3] = {};    // different items
    const StoredItems* whole = nullptr;  // all of the parts
    const StoredItems* hostile = nullptr;
};

/// One thing a kernel must do. `run` returns what is wrong, empty: nothing; it may throw the same.
struct Check {
    const char* name;
    std::string (*run)(const Subject& subject);
};

std::span<const Check> all_checks() noexcept;

}  // namespace shardmill::kernel_check
