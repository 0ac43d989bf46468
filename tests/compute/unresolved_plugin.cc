// A plug-in that was linked without what it needs.

#include "shardmill/kernel.h"

extern "C" int shardmill_no_such_function();

extern "C" const shardmill_kernel_library* shardmill_kernels() {
    static const shardmill_kernel_library library = {
        SHARDMILL_KERNEL_ABI, static_cast<uint32_t>(shardmill_no_such_function()), nullptr};
    return &library;
}
