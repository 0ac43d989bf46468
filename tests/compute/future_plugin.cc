// A plug-in of another ABI version: nothing of it but the version may be looked at.

#include "shardmill/kernel.h"

extern "C" const shardmill_kernel_library* shardmill_kernels() {
    static const shardmill_kernel_library library = {SHARDMILL_KERNEL_ABI + 1, 1, nullptr};
    return &library;
}
