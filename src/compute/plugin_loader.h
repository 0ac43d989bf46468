#pragma once

#include <string>
#include <vector>

#include "compute/registry.h"

namespace shardmill::compute {

/// Adds the kernels of every `*.so` in `directory` to the registry, in the order of their names.
/// Their code stays loaded until the process ends. One line for each file or kernel that was
/// refused, with the reason; the others are usable. Runs the files' code: the directory must be
/// writable by the operator alone. At start only, before threads.
std::vector<std::string> load_plugins(const std::string& directory, Registry& registry);

}  // namespace shardmill::compute
