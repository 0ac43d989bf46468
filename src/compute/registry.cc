#include "compute/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "compute/builtin_kernels.h"
#include "compute/value.h"

namespace shardmill::compute {

namespace {

constexpr std::size_t kMaxNameBytes = 32;
constexpr std::array<std::string_view, 10> kStageNames = {
    "prefix", "glob", "re", "sample", "where", "by", "agg", "having", "order", "limit"};

bool is_name(std::string_view name) noexcept {
    const auto letter = [](char byte) { return byte >= 'a' && byte <= 'z'; };
    const auto inner = [letter](char byte) {
        return letter(byte) || (byte >= '0' && byte <= '9') || byte == '_';
    };
    return !name.empty() && name.size() <= kMaxNameBytes && letter(name[0]) &&
           std::all_of(name.begin(), name.end(), inner);
}

bool is_complete(const shardmill_kernel& kernel) noexcept {
    return kernel.name && kernel.arguments && kernel.description && kernel.open && kernel.close &&
           kernel.start && kernel.map && kernel.merge && kernel.save && kernel.load &&
           kernel.finish && kernel.drop;
}

}  // namespace

Registry Registry::with_builtins() {
    Registry registry;
    for (const shardmill_kernel* kernel : builtin_kernels()) {
        const auto added = registry.add(*kernel, "built-in");
        SHARDMILL_ASSERT(added.has_value());
    }
    return registry;
}

std::expected<void, std::string> Registry::add(const shardmill_kernel& kernel,
                                               std::string_view origin) {
    if (kernel.abi != SHARDMILL_KERNEL_ABI) {
        return std::unexpected(fmt::format("built for kernel ABI {}, this server has {}",
                                           kernel.abi, SHARDMILL_KERNEL_ABI));
    }
    if (kernel.table_bytes < sizeof(shardmill_kernel) || !is_complete(kernel)) {
        return std::unexpected("the kernel's table is incomplete");
    }
    const std::string_view name = kernel.name;
    if (!is_name(name))
        return std::unexpected(fmt::format("not a kernel's name: {}", printable(name)));
    if (std::find(kStageNames.begin(), kStageNames.end(), name) != kStageNames.end())
        return std::unexpected(fmt::format("the name {} is taken: a stage of pipelines", name));
    for (const Entry& entry : entries_) {
        if (name == entry.kernel->name)
            return std::unexpected(fmt::format("the name {} is taken: {}", name, entry.origin));
    }
    entries_.push_back({&kernel, std::string(origin)});
    std::sort(entries_.begin(), entries_.end(), [](const Entry& left, const Entry& right) {
        return std::string_view(left.kernel->name) < right.kernel->name;
    });
    return {};
}

const shardmill_kernel* Registry::find(std::string_view name) const noexcept {
    for (const Entry& entry : entries_) {
        if (name == entry.kernel->name) return entry.kernel;
    }
    return nullptr;
}

std::vector<KernelInfo> Registry::list() const {
    std::vector<KernelInfo> infos;
    for (const Entry& entry : entries_) {
        infos.push_back(
            {entry.kernel->name, entry.kernel->arguments, entry.kernel->description, entry.origin});
    }
    return infos;
}

}  // namespace shardmill::compute
