#include "compute/sizes_kernel.h"

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

SizesKernel::SizesKernel(std::span<const kernel::Argument> arguments) {
    const auto steps =
        KernelArguments(arguments, 1).number(0, "the steps of each doubling", 1, 16).value_or(1);
    if (!std::has_single_bit(steps)) throw kernel::Error("must be a power of two", 1);
    shift_ = static_cast<unsigned>(std::countr_zero(steps));
}

std::uint64_t SizesKernel::Partial::start_of(std::size_t bucket) const noexcept {
    const std::size_t high = bucket >> shift_;
    if (high < 2) return bucket;
    const std::size_t cut = high - 1;
    return static_cast<std::uint64_t>(bucket - (cut << shift_)) << cut;
}

void SizesKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) tallies_[bucket_of(item.value_bytes)].add(item);
}

void SizesKernel::Partial::finish(kernel::Emitter& emitter) {
    const double items = static_cast<double>(tallies_.total().count);
    std::uint64_t so_far = 0;
    for (std::size_t bucket = 0; bucket < tallies_.size(); ++bucket) {
        const Tally& tally = tallies_[bucket];
        if (tally.count == 0) continue;
        so_far += tally.count;
        const kernel::Value columns[] = {
            kernel::unsigned_value(start_of(bucket + 1) - 1), kernel::unsigned_value(tally.count),
            kernel::unsigned_value(tally.bytes),
            kernel::double_value(100.0 * static_cast<double>(so_far) / items)};
        emitter.row(std::to_string(start_of(bucket)), columns);
    }
}

}  // namespace shardmill::compute
