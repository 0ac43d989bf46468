#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "fuzz/meta_parser_check.h"
#include "fuzz/meta_parser_seeds.h"
#include "fuzz/mutation.h"
#include "fuzz/store_check.h"
#include "fuzz/store_seeds.h"
#include "fuzz/udp_frame_check.h"
#include "fuzz/udp_frame_seeds.h"
#include "net/udp_frame.h"
#include "protocol/binary_parser.h"
#include "protocol/text_parser.h"

namespace shardmill::fuzz {
namespace {

std::string text_of(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool is_meta(std::string_view word) { return word.size() == 2 && word[0] == 'm'; }

TEST(MetaParserSeedsTest, EveryMetaCommandHasASeedAndIsInTheDictionary) {
    const std::string words = text_of(SHARDMILL_FUZZ_FOLDER "/meta_parser.dict");
    for (const std::string_view word : protocol::command_words()) {
        if (!is_meta(word)) continue;
        EXPECT_TRUE(std::ranges::any_of(meta_parser_seeds(), [&](std::string_view seed) {
            return seed.starts_with(word);
        })) << word;
        EXPECT_NE(words.find("\"" + std::string(word)), std::string::npos) << word;
    }
}

TEST(MetaParserSeedsTest, EveryFlagHasASeedAndIsInTheDictionary) {
    const std::string words = text_of(SHARDMILL_FUZZ_FOLDER "/meta_parser.dict");
    for (const char letter : std::string_view("bkcfhlstvqxuIOCEFNRTDJMPL")) {
        const std::string flag = std::string(" ") + letter;
        EXPECT_TRUE(std::ranges::any_of(meta_parser_seeds(), [&](std::string_view seed) {
            return seed.find(flag) != std::string_view::npos;
        })) << letter;
        EXPECT_NE(words.find("\"" + flag), std::string::npos) << letter;
    }
}

TEST(MetaParserSeedsTest, SeedsTheirPrefixesAndMutationsKeepWhatParsingPromises) {
    std::mt19937_64 random(20'240'609);
    for (const std::string_view seed : meta_parser_seeds()) {
        for (std::size_t size = 0; size <= seed.size(); ++size)
            check_meta_parser(seed.substr(0, size));
        for (int round = 0; round < 300; ++round)
            check_meta_parser(mutated(std::string(seed), random));
    }
}

TEST(StoreSeedsTest, SeedsAndMutationsAgreeWithAMap) {
    std::mt19937_64 random(20'261'124);
    for (const std::string& seed : store_seeds()) {
        check_store(seed);
        for (int round = 0; round < 1; ++round) check_store(mutated(seed, random));
    }
}

TEST(UdpFrameSeedsTest, EveryCommandAndEveryOpcodeHasASeed) {
    const auto has_seed = [](std::string_view begin) {
        return std::ranges::any_of(udp_frame_seeds(), [&](const std::string& seed) {
            return seed.find(begin, net::kUdpFrameBytes) == net::kUdpFrameBytes;
        });
    };
    for (const std::string_view word : protocol::command_words())
        EXPECT_TRUE(has_seed(word)) << word;
    for (const std::uint8_t opcode : protocol::binary_opcodes()) {
        const char begin[] = {'\x80', static_cast<char>(opcode)};
        EXPECT_TRUE(has_seed({begin, sizeof(begin)})) << unsigned{opcode};
    }
}

TEST(UdpFrameSeedsTest, SeedsTheirPrefixesAndMutationsKeepWhatIsPromised) {
    std::mt19937_64 random(20'240'610);
    for (const std::string& seed : udp_frame_seeds()) {
        for (std::size_t size = 0; size <= seed.size(); ++size)
            check_udp_frame(std::string_view(seed).substr(0, size));
        for (int round = 0; round < 100; ++round) check_udp_frame(mutated(seed, random));
    }
}

}  // namespace
}  // namespace shardmill::fuzz
