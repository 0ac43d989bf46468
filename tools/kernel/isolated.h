#pragma once

#include <functional>
#include <string>

namespace shardmill::kernel_check {

/// Runs `work` in a process of its own, so that what it does to itself is a finding, not the end:
/// a crash, an exit, no end within `seconds`. Returns what is wrong: the text `work` returned or
/// threw, or how its process ended. Empty: nothing. The caller has one thread.
std::string run_isolated(const std::function<std::string()>& work, unsigned seconds);

}  // namespace shardmill::kernel_check
