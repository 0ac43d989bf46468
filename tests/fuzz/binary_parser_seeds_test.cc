#include "fuzz/binary_parser_seeds.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "fuzz/binary_parser_check.h"
#include "protocol/binary_parser.h"

namespace shardmill::fuzz {
namespace {

bool has_seed(std::uint8_t opcode) {
    return std::ranges::any_of(binary_parser_seeds(), [&](const std::string& seed) {
        return static_cast<std::uint8_t>(seed[1]) == opcode;
    });
}

std::string dictionary() {
    std::ifstream file(SHARDMILL_BINARY_DICTIONARY);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Values that lengths, keys and numbers have their limits at.
constexpr std::uint8_t kBytes[] = {0x00, 0x01, 0x04, 0x08, 0x14, 0x7f, 0x80, 0xfa, 0xfb, 0xff};

/// One small change, of the kinds a fuzzer makes: a byte of the header or elsewhere, a piece cut
/// out, doubled or moved in from another seed.
std::string mutated(std::string packet, std::mt19937_64& random) {
    const auto below = [&](std::size_t limit) {
        return static_cast<std::size_t>(random() % limit);
    };
    const std::size_t at = below(packet.size() + 1);
    const std::size_t length = below(packet.size() + 1 - at);
    switch (below(6)) {
        case 0:
            if (!packet.empty()) packet[below(packet.size())] = static_cast<char>(random() & 0xff);
            return packet;
        case 1:
            if (packet.size() > 12)
                packet[below(12)] = static_cast<char>(kBytes[below(std::size(kBytes))]);
            return packet;
        case 2:
            return packet.erase(at, length);
        case 3:
            return packet.insert(at, packet.substr(at, length));
        case 4:
            return packet.insert(at, below(400), 'k');
        default:
            return packet + binary_parser_seeds()[below(binary_parser_seeds().size())];
    }
}

TEST(BinaryParserSeedsTest, EveryOpcodeHasASeed) {
    for (const std::uint8_t opcode : protocol::binary_opcodes())
        EXPECT_TRUE(has_seed(opcode)) << unsigned{opcode};
}

TEST(BinaryParserSeedsTest, EveryOpcodeIsInTheDictionary) {
    const std::string words = dictionary();
    for (const std::uint8_t opcode : protocol::binary_opcodes()) {
        EXPECT_NE(words.find(fmt::format("\"\\x80\\x{:02x}\"", opcode)), std::string::npos)
            << unsigned{opcode};
    }
}

TEST(BinaryParserSeedsTest, PrefixesOfSeedsKeepWhatParsingPromises) {
    for (const std::string& seed : binary_parser_seeds()) {
        for (std::size_t size = 0; size <= seed.size(); ++size)
            check_binary_parser(std::string_view(seed).substr(0, size));
    }
}

TEST(BinaryParserSeedsTest, MutatedSeedsKeepWhatParsingPromises) {
    std::mt19937_64 random(20'240'608);
    for (int round = 0; round < 400; ++round) {
        for (const std::string& seed : binary_parser_seeds()) {
            std::string packet = seed;
            for (std::uint64_t changes = 1 + random() % 4; changes != 0; --changes)
                packet = mutated(std::move(packet), random);
            check_binary_parser(packet);
        }
    }
}

}  // namespace
}  // namespace shardmill::fuzz
