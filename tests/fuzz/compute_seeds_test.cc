#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "compute/registry.h"
#include "fuzz/json_fields_check.h"
#include "fuzz/json_fields_seeds.h"
#include "fuzz/mutation.h"
#include "fuzz/pipeline_check.h"
#include "fuzz/pipeline_seeds.h"

namespace shardmill::fuzz {
namespace {

TEST(JsonFieldsSeedsTest, SeedsTheirPrefixesAndMutationsAreReadAsSimdjsonReadsThem) {
    std::mt19937_64 random(20'261'125);
    for (const std::string_view seed : json_fields_seeds()) {
        for (std::size_t size = 0; size <= seed.size(); ++size)
            check_json_fields(seed.substr(0, size));
        for (int round = 0; round < 100; ++round)
            check_json_fields(mutated(std::string(seed), random));
    }
}

TEST(JsonFieldsSeedsTest, RandomDocumentsAreReadAsSimdjsonReadsThem) {
    std::mt19937_64 random(20'261'126);
    for (int round = 0; round < 3000; ++round) {
        const std::string document = random_json(random);
        check_json_fields(document);
        check_json_fields(mutated(document, random));
    }
}

/// The words of the dictionary, without the quotes they are written in.
std::vector<std::string> pipeline_words() {
    std::vector<std::string> words;
    std::ifstream file(SHARDMILL_FUZZ_FOLDER "/pipeline.dict");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('"')) words.push_back(line.substr(1, line.size() - 2));
    }
    return words;
}

TEST(PipelineSeedsTest, EverySeedButTheEmptyOneIsAPipeline) {
    for (const std::string_view seed : pipeline_seeds())
        EXPECT_EQ(check_pipeline(seed), !seed.empty()) << seed;
}

TEST(PipelineSeedsTest, EveryKernelHasASeedAndIsInTheDictionary) {
    const auto words = pipeline_words();
    const auto registry = compute::Registry::with_builtins();
    for (const auto& kernel : registry.list()) {
        EXPECT_TRUE(std::ranges::any_of(pipeline_seeds(), [&](std::string_view seed) {
            return seed.find(kernel.name) != std::string_view::npos;
        })) << kernel.name;
        EXPECT_TRUE(std::ranges::any_of(words, [&](const std::string& word) {
            return word.starts_with(kernel.name);
        })) << kernel.name;
    }
}

/// Pieces of the grammar put into pipelines at random, which are then damaged.
TEST(PipelineSeedsTest, MutationsKeepWhatIsPromised) {
    const auto words = pipeline_words();
    std::mt19937_64 random(20'260'711);
    std::size_t accepted = 0;
    for (int round = 0; round < 30'000; ++round) {
        std::string text(
            pipeline_seeds()[static_cast<std::size_t>(round) % pipeline_seeds().size()]);
        for (auto pieces = random() % 4; pieces > 0; --pieces)
            text.insert(random() % (text.size() + 1), words[random() % words.size()]);
        if (random() % 2 == 0) text = mutated(std::move(text), random);
        accepted += check_pipeline(text) ? 1 : 0;
    }
    EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace shardmill::fuzz
