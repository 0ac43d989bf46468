#include <cstddef>
#include <cstdint>

#include "fuzz/store_check.h"

/// libFuzzer's entry point.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    shardmill::fuzz::check_store({reinterpret_cast<const char*>(data), size});
    return 0;
}
