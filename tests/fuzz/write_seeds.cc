#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/binary_parser_seeds.h"
#include "fuzz/json_fields_seeds.h"
#include "fuzz/meta_parser_seeds.h"
#include "fuzz/pipeline_seeds.h"
#include "fuzz/store_seeds.h"
#include "fuzz/text_parser_seeds.h"
#include "fuzz/udp_frame_seeds.h"

namespace {

std::vector<std::string> seeds_of(std::string_view parser) {
    using namespace shardmill::fuzz;
    if (parser == "meta") return {meta_parser_seeds().begin(), meta_parser_seeds().end()};
    if (parser == "json") return {json_fields_seeds().begin(), json_fields_seeds().end()};
    if (parser == "pipeline") return {pipeline_seeds().begin(), pipeline_seeds().end()};
    if (parser == "store") return store_seeds();
    if (parser == "udp") return udp_frame_seeds();
    if (parser == "text") return {text_parser_seeds().begin(), text_parser_seeds().end()};
    if (parser == "binary") return binary_parser_seeds();
    return {};
}

}  // namespace

/// Writes each seed of a fuzzer into a file of its own: a corpus to start from.
int main(int argc, char** argv) {
    const auto seeds = argc == 3 ? seeds_of(argv[1]) : std::vector<std::string>{};
    if (seeds.empty()) {
        std::fprintf(stderr, "usage: %s text|meta|binary|udp|store|json|pipeline <directory>\n", argv[0]);
        return 2;
    }
    const std::filesystem::path directory = argv[2];
    std::filesystem::create_directories(directory);
    int number = 0;
    for (const std::string& seed : seeds) {
        std::ofstream file(directory / ("seed-" + std::to_string(number++)), std::ios::binary);
        file << seed;
        if (!file.flush()) {
            std::fprintf(stderr, "cannot write to %s\n", directory.c_str());
            return 1;
        }
    }
    return 0;
}
