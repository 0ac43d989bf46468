#pragma once

#include <string>
#include <vector>

#include "compute/registry.h"

namespace shardmill::compute {

/// Adds the kernels of every `*.so` in `directory` to the registry, in the order of their names.
/// Their code stays loaded until the process ends. One line for each file or kernel that was
/// refused, with the reason; the others are usable. As the files' code runs in the process,
/// directory and files must belong to root or the process's user and be writable by nobody else,
/// and links must not lead out of the directory. At start only, before threads.
std::vector<std::string> load_plugins(const std::string& directory, Registry& registry);

}  // namespace shardmill::compute
