#include "compute/builtin_kernels.h"

#include "compute/acting_kernels.h"
#include "compute/ages_kernels.h"
#include "compute/export_kernel.h"
#include "compute/grep_kernel.h"
#include "compute/hot_kernel.h"
#include "compute/prefixes_kernel.h"
#include "compute/sizes_kernel.h"
#include "compute/topk_kernel.h"
#include "compute/wordcount_kernel.h"

namespace shardmill::compute {

std::span<const shardmill_kernel* const> builtin_kernels() noexcept {
    static constexpr const shardmill_kernel* kKernels[] = {
        &kernel::Table<ExportKernel>::table,   &kernel::Table<GrepKernel>::table,
        &kernel::Table<HotKernel>::table,      &kernel::Table<IdleKernel>::table,
        &kernel::Table<PrefixesKernel>::table, &kernel::Table<SizesKernel>::table,
        &kernel::Table<TopkKernel>::table,     &kernel::Table<TtlsKernel>::table,
        &kernel::Table<CopyKernel>::table,     &kernel::Table<DeleteKernel>::table,
        &kernel::Table<TouchKernel>::table,    &kernel::Table<WordcountKernel>::table,
    };
    return kKernels;
}

}  // namespace shardmill::compute
