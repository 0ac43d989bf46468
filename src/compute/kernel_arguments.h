#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// Arguments of built-in kernels, by their place counted from 0. What is wrong with one is thrown
/// as kernel::Error, which says which.
class KernelArguments {
 public:
    KernelArguments(std::span<const kernel::Argument> arguments, std::size_t most);

    std::size_t size() const noexcept { return arguments_.size(); }
    /// A whole number in [least, most]; nullopt: not given. `what` begins the error.
    std::optional<std::uint64_t> number(std::size_t index, std::string_view what,
                                        std::uint64_t least, std::uint64_t most) const;
    /// A 'string' that is not empty; nullopt: not given.
    std::optional<std::string> string(std::size_t index, std::string_view what) const;

 private:
    const kernel::Argument* literal(std::size_t index) const noexcept;

    std::span<const kernel::Argument> arguments_;
};

}  // namespace shardmill::compute
