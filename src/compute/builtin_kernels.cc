#include "compute/builtin_kernels.h"

#include "compute/topk_kernel.h"
#include "compute/wordcount_kernel.h"

namespace shardmill::compute {

std::span<const shardmill_kernel* const> builtin_kernels() noexcept {
    static constexpr const shardmill_kernel* kKernels[] = {
        &kernel::Table<TopkKernel>::table,
        &kernel::Table<WordcountKernel>::table,
    };
    return kKernels;
}

}  // namespace shardmill::compute
