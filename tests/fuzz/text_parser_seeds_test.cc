#include "fuzz/text_parser_seeds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "fuzz/text_parser_check.h"
#include "protocol/text_parser.h"

namespace shardmill::fuzz {
namespace {

bool has_seed(std::string_view word) {
    return std::ranges::any_of(text_parser_seeds(), [&](std::string_view seed) {
        return seed.starts_with(word) && seed.size() > word.size() &&
               (seed[word.size()] == ' ' || seed[word.size()] == '\r');
    });
}

std::string dictionary() {
    std::ifstream file(SHARDMILL_TEXT_DICTIONARY);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs of these lengths reach the limits of keys, opaque tokens and lines.
constexpr std::size_t kRuns[] = {1, 30, 31, 32, 249, 250, 251, 2048};

/// One small change, of the kinds a fuzzer makes: a byte, a number, a piece cut out, doubled or
/// moved in from another seed.
std::string mutated(std::string text, std::mt19937_64& random) {
    const auto below = [&](std::size_t limit) {
        return static_cast<std::size_t>(random() % limit);
    };
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = below(text.size() + 1 - at);
    switch (below(6)) {
        case 0:
            return text.insert(at, 1, static_cast<char>(random() & 0xff));
        case 1:
            return text.erase(at, length);
        case 2:
            return text.insert(at, text.substr(at, length));
        case 3:
            return text.insert(at, std::to_string(random() >> below(64)));
        case 4:
            return text.insert(at, kRuns[below(std::size(kRuns))], "k \r\n0"[below(5)]);
        default:
            return text.insert(at, text_parser_seeds()[below(text_parser_seeds().size())]);
    }
}

TEST(TextParserSeedsTest, EveryCommandWordHasASeed) {
    for (const std::string_view word : protocol::command_words())
        EXPECT_TRUE(has_seed(word)) << word;
}

TEST(TextParserSeedsTest, EveryCommandWordIsInTheDictionary) {
    const std::string words = dictionary();
    for (const std::string_view word : protocol::command_words()) {
        EXPECT_NE(words.find("\"" + std::string(word) + " \""), std::string::npos) << word;
    }
}

TEST(TextParserSeedsTest, SeedsKeepWhatParsingPromises) {
    for (const std::string_view seed : text_parser_seeds()) check_text_parser(seed);
}

TEST(TextParserSeedsTest, PrefixesOfSeedsKeepWhatParsingPromises) {
    for (const std::string_view seed : text_parser_seeds()) {
        for (std::size_t size = 0; size < seed.size(); ++size)
            check_text_parser(seed.substr(0, size));
    }
}

TEST(TextParserSeedsTest, MutatedSeedsKeepWhatParsingPromises) {
    std::mt19937_64 random(20'240'607);
    for (int round = 0; round < 200; ++round) {
        for (const std::string_view seed : text_parser_seeds()) {
            std::string text(seed);
            for (std::uint64_t changes = 1 + random() % 4; changes != 0; --changes)
                text = mutated(std::move(text), random);
            SCOPED_TRACE(text);
            check_text_parser(text);
        }
    }
}

}  // namespace
}  // namespace shardmill::fuzz
