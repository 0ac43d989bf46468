#include <cstdio>
#include <filesystem>
#include <fstream>

#include "fuzz/text_parser_seeds.h"

/// Writes each seed into a file of its own: a corpus for text_parser_fuzzer.
int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s <directory>\n", argv[0]);
        return 2;
    }
    const std::filesystem::path directory = argv[1];
    std::filesystem::create_directories(directory);
    int number = 0;
    for (const std::string_view seed : shardmill::fuzz::text_parser_seeds()) {
        std::ofstream file(directory / ("seed-" + std::to_string(number++)), std::ios::binary);
        file << seed;
        if (!file.flush()) {
            std::fprintf(stderr, "cannot write to %s\n", directory.c_str());
            return 1;
        }
    }
    return 0;
}
