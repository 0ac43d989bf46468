#include "compute/acting_kernels.h"

#include <limits>

namespace shardmill::compute {
namespace {

constexpr std::size_t kMaxPrefixBytes = 249;

bool is_exptime(const kernel::Argument& argument) noexcept {
    return argument.kind == SHARDMILL_ARGUMENT_LITERAL && argument.value.kind == SHARDMILL_INT &&
           argument.value.integer >= std::numeric_limits<std::int32_t>::min() &&
           argument.value.integer <= std::numeric_limits<std::int32_t>::max();
}

bool is_prefix(const kernel::Argument& argument) noexcept {
    return argument.kind == SHARDMILL_ARGUMENT_LITERAL && argument.value.kind == SHARDMILL_STRING &&
           argument.value.bytes_count > 0 && argument.value.bytes_count <= kMaxPrefixBytes;
}

std::int32_t exptime_of(const Expression& argument) noexcept {
    return static_cast<std::int32_t>(argument.literal().integer);
}

}  // namespace

DeleteKernel::DeleteKernel(std::span<const kernel::Argument> arguments) {
    if (!arguments.empty()) throw kernel::Error("has no arguments", 1);
}

TouchKernel::TouchKernel(std::span<const kernel::Argument> arguments) {
    if (arguments.size() != 1) throw kernel::Error("needs an exptime, touch:<seconds>");
    if (!is_exptime(arguments[0])) throw kernel::Error("must be a number of seconds", 1);
}

CopyKernel::CopyKernel(std::span<const kernel::Argument> arguments) {
    if (arguments.empty() || arguments.size() > 2)
        throw kernel::Error("needs a prefix and perhaps an exptime, copy:'<prefix>'[,<seconds>]");
    if (!is_prefix(arguments[0]))
        throw kernel::Error("must be a string of 1 to 249 bytes, in quotes", 1);
    if (arguments.size() == 2 && !is_exptime(arguments[1]))
        throw kernel::Error("must be a number of seconds", 2);
}

std::optional<Action> action_of(const KernelPlan& plan) {
    const auto& arguments = plan.arguments();
    Action action;
    if (&plan.kernel() == &kernel::Table<DeleteKernel>::table) return action;
    if (&plan.kernel() == &kernel::Table<TouchKernel>::table) {
        action.kind = Action::Kind::Touch;
        action.ttl = exptime_of(arguments[0]);
        return action;
    }
    if (&plan.kernel() != &kernel::Table<CopyKernel>::table) return std::nullopt;
    action.kind = Action::Kind::Copy;
    action.prefix = kernel::bytes_of(arguments[0].literal());
    if (arguments.size() == 2) action.ttl = exptime_of(arguments[1]);
    return action;
}

}  // namespace shardmill::compute
