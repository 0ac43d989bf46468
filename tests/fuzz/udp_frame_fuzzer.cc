#include <cstddef>
#include <cstdint>

#include "fuzz/udp_frame_check.h"

/// libFuzzer's entry point.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    shardmill::fuzz::check_udp_frame({reinterpret_cast<const char*>(data), size});
    return 0;
}
