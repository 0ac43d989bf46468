#include <cstddef>
#include <cstdint>
#include <string>

#include "snapshot/reader_fuzz.h"

/// libFuzzer's entry: the bytes as they are, and with their checksums made right.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string file(reinterpret_cast<const char*>(data), size);
    shardmill::snapshot::fuzz_reader(file);
    shardmill::snapshot::repair_checksums(file);
    shardmill::snapshot::fuzz_reader(file);
    return 0;
}
