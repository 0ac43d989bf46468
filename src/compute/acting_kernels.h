#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compute/kernel_reducer.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// What is to be done with the items a pipeline matches, where it ends in a kernel that acts.
struct Action {
    enum class Kind : std::uint8_t { Delete, Touch, Copy };
    Kind kind = Kind::Delete;
    std::optional<std::int32_t> ttl;  // as clients give an exptime. Copy without: the item's own
    std::string prefix;               // Copy: in front of the key
};

/// The kernels `delete`, `touch` and `copy` only stand for what is to be done: a partial of a
/// program that acts picks the items, and whoever maps them takes the picked ones
/// (Partial::take_picked) to those who may act.
struct ActingPartial {
    template <typename Kernel>
    ActingPartial(const Kernel&, kernel::Host) noexcept {}
    void map(const kernel::Block&) noexcept {}
    void merge(ActingPartial&) noexcept {}
    void save(kernel::Writer&) const noexcept {}
    void load(kernel::Reader&) noexcept {}
    void finish(kernel::Emitter&) noexcept {}
};

class DeleteKernel {
 public:
    static constexpr kernel::Description description{"delete", "", "acts: deletes the items",
                                                     SHARDMILL_KERNEL_NO_VALUES};
    using Partial = ActingPartial;
    explicit DeleteKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {}; }
};

class TouchKernel {
 public:
    static constexpr kernel::Description description{
        "touch", ":<exptime>", "acts: sets the items' exptime, as the command touch",
        SHARDMILL_KERNEL_NO_VALUES};
    using Partial = ActingPartial;
    explicit TouchKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {}; }
};

class CopyKernel {
 public:
    static constexpr kernel::Description description{
        "copy", ":'<prefix>'[,<exptime>]",
        "acts: stores the items again with the prefix in front of their keys"};
    using Partial = ActingPartial;
    explicit CopyKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {}; }
};

/// nullopt: not one of these kernels.
std::optional<Action> action_of(const KernelPlan& plan);

}  // namespace shardmill::compute
