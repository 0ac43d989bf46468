#include "compute/ages_kernels.h"

#include <algorithm>

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

namespace {
constexpr std::uint32_t kMinute = 60;
constexpr std::uint32_t kHour = 60 * kMinute;
constexpr std::uint32_t kDay = 24 * kHour;
constexpr std::size_t kMaxBounds = 64;
}  // namespace

AgesKernel::AgesKernel(std::span<const kernel::Argument> arguments) {
    const KernelArguments seconds(arguments, kMaxBounds);
    for (std::size_t index = 0; index < seconds.size(); ++index) {
        const std::uint64_t least = bounds_.empty() ? 1 : std::uint64_t{bounds_.back()} + 1;
        bounds_.push_back(static_cast<std::uint32_t>(*seconds.number(
            index, "ascending seconds are asked for: this one", least, UINT32_MAX)));
    }
    if (bounds_.empty()) {
        bounds_ = {kMinute, 5 * kMinute, 15 * kMinute, kHour, 6 * kHour, kDay, 7 * kDay, 30 * kDay};
    }
}

void AgesKernel::Partial::add(std::uint32_t seconds, const kernel::Item& item) noexcept {
    const auto above = std::upper_bound(bounds_.begin(), bounds_.end(), seconds);
    tallies_[static_cast<std::size_t>(above - bounds_.begin())].add(item);
}

void AgesKernel::Partial::finish(kernel::Emitter& emitter) {
    const std::size_t last = tallies_.size() - 1;
    for (std::size_t bucket = 0; bucket <= last; ++bucket) {
        const Tally& tally = tallies_[bucket];
        if (tally.count == 0) continue;
        const kernel::Value columns[] = {
            bucket < bounds_.size() ? kernel::int_value(std::int64_t{bounds_[bucket]} - 1)
                                    : kernel::null_value(),
            kernel::unsigned_value(tally.count), kernel::unsigned_value(tally.bytes)};
        const std::uint32_t first = bucket == 0 || bucket == last ? 0 : bounds_[bucket - 1];
        emitter.row(bucket == last ? std::string(without_) : std::to_string(first), columns);
    }
}

void TtlsKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) {
        if (item.exptime == 0) {
            add_without(item);
        } else {
            add(item.exptime - std::min(item.exptime, block.now()), item);
        }
    }
}

void IdleKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) {
        if (item.last_access == 0) {
            add_without(item);
        } else {
            add(block.now() - std::min(item.last_access, block.now()), item);
        }
    }
}

}  // namespace shardmill::compute
