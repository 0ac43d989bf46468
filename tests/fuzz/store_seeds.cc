#include "fuzz/store_seeds.h"

#include <random>

#include "fuzz/store_check.h"

namespace shardmill::fuzz {
namespace {

/// Operations drawn at random, with bytes enough for each.
std::string drawn(std::uint32_t seed, std::size_t bytes) {
    std::mt19937 random(seed);
    std::string program;
    while (program.size() < bytes) program.push_back(static_cast<char>(random()));
    return program;
}

}  // namespace

std::vector<std::string> store_seeds() {
    std::vector<std::string> seeds;
    for (unsigned operation = 0; operation < store_operations(); ++operation) {
        // On an item that is there, and once more when the shard is full.
        std::string one{'\0', '\1', '\40', '\1', '\0', static_cast<char>(operation), '\1', '\3'};
        std::string full = one;
        for (int i = 0; i < 12; ++i) full += {'\1', '\377', '\40'};
        seeds.push_back(one);
        seeds.push_back(full + one);
    }
    // A value on its way to a client while a shorter one takes its place.
    seeds.push_back(
        {'\0', '\1', '\226', '\1', '\0', '\14', '\1', '\0', '\1', '\144', '\1', '\0', '\15'});
    // A CAS that was shown, of an item that was hit and is moved.
    std::string moved{'\0', '\1', '\40', '\1', '\0', '\6', '\1', '\2', '\1'};
    for (int i = 0; i < 12; ++i) moved += {'\1', '\377', '\40', '\2', '\1'};
    seeds.push_back(moved);
    for (std::uint32_t seed = 1; seed <= 10; ++seed) seeds.push_back(drawn(seed, 1500));
    return seeds;
}

}  // namespace shardmill::fuzz
