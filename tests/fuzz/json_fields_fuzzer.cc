#include <cstddef>
#include <cstdint>

#include "fuzz/json_fields_check.h"

/// libFuzzer's entry point.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    shardmill::fuzz::check_json_fields({reinterpret_cast<const char*>(data), size});
    return 0;
}
