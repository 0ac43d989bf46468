#include "compute/kernel_arguments.h"

#include <fmt/format.h>

namespace shardmill::compute {

KernelArguments::KernelArguments(std::span<const kernel::Argument> arguments, std::size_t most)
    : arguments_(arguments) {
    if (arguments.size() <= most) return;
    throw kernel::Error(
        most == 0 ? "takes no arguments" : fmt::format("takes at most {} arguments", most),
        static_cast<std::uint32_t>(most + 1));
}

const kernel::Argument* KernelArguments::literal(std::size_t index) const noexcept {
    const kernel::Argument& argument = arguments_[index];
    return argument.kind == SHARDMILL_ARGUMENT_LITERAL ? &argument : nullptr;
}

std::optional<std::uint64_t> KernelArguments::number(std::size_t index, std::string_view what,
                                                     std::uint64_t least,
                                                     std::uint64_t most) const {
    if (index >= arguments_.size()) return std::nullopt;
    const kernel::Argument* const argument = literal(index);
    const bool whole = argument != nullptr && argument->value.kind == SHARDMILL_INT &&
                       argument->value.integer >= 0;
    const std::uint64_t number = whole ? argument->value.unsigned_integer : 0;
    if (!whole || number < least || number > most) {
        throw kernel::Error(fmt::format("{} must be from {} to {}", what, least, most),
                            static_cast<std::uint32_t>(index + 1));
    }
    return number;
}

std::optional<std::string> KernelArguments::string(std::size_t index, std::string_view what) const {
    if (index >= arguments_.size()) return std::nullopt;
    const kernel::Argument* const argument = literal(index);
    if (argument == nullptr || argument->value.kind != SHARDMILL_STRING ||
        argument->value.bytes_count == 0) {
        throw kernel::Error(fmt::format("{} must be a 'string'", what),
                            static_cast<std::uint32_t>(index + 1));
    }
    return std::string(kernel::bytes_of(argument->value));
}

}  // namespace shardmill::compute
